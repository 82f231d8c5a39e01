// What htmx does not do by itself: countdowns, telling a change of state, saying that the connection is gone, and
// following nothing in a window that nobody sees.
// Everything works without this file; it only spares a reload.
"use strict";

(() => {
  const announcement = document.getElementById("announcement");
  const offline = document.getElementById("offline");
  const signedOut = document.getElementById("signed-out");
  const states = new Map();
  let interrupted = false;

  const inWords = (seconds) => {
    const left = Math.max(0, Math.round(seconds));
    if (left >= 3600) return `${Math.floor(left / 3600)} h ${Math.floor((left % 3600) / 60)} min`;
    if (left >= 60) return `${Math.floor(left / 60)} min ${left % 60} s`;
    return `${left} s`;
  };

  // The server's clock counts, as far as it is known; a wrong clock of this machine must not move a countdown.
  const made = document.querySelector("footer time");
  const skew = made ? Date.parse(made.dateTime) - Date.now() : 0;
  setInterval(() => {
    for (const element of document.querySelectorAll("time[data-countdown]")) {
      element.textContent = inWords((Date.parse(element.dateTime) - Date.now() - skew) / 1000);
    }
  }, 1000);

  // Only changes of state are told: a reader that speaks each step would never be silent.
  const tell = (site) => {
    const before = states.get(site.id);
    states.set(site.id, site.state);
    if (before !== undefined && before !== site.state) {
      announcement.textContent = `${site.display_name}: ${site.state}. ${site.reason}`;
    }
  };
  for (const element of document.querySelectorAll("[data-site][data-state]")) {
    states.set(element.dataset.site, element.dataset.state);
  }

  // A browser opens six connections to one address. The stream of a window that nobody sees would hold one of them, and
  // the seventh window would wait for ever: so it is closed there, and what was missed is read when the window is seen.
  class Stream {
    constructor(url) {
      this.url = url;
      this.listeners = [];
      this.source = null;
      this.addEventListener("site", (message) => tell(JSON.parse(message.data)));
      this.look = () => this.follow();
      document.addEventListener("visibilitychange", this.look);
      this.follow();
    }

    get readyState() {
      return this.source ? this.source.readyState : this.ended ? EventSource.CLOSED : EventSource.CONNECTING;
    }

    addEventListener(name, listener) {
      this.listeners.push([name, listener]);
      if (this.source) this.source.addEventListener(name, listener);
    }

    removeEventListener(name, listener) {
      this.listeners = this.listeners.filter(([other, known]) => other !== name || known !== listener);
      if (this.source) this.source.removeEventListener(name, listener);
    }

    follow() {
      if (document.visibilityState === "hidden") {
        interrupted = true;
        this.let();
      } else if (!this.source && !this.ended) {
        this.source = new EventSource(this.url);
        for (const [name, listener] of this.listeners) this.source.addEventListener(name, listener);
        this.source.onopen = (event) => this.onopen(event);
        this.source.onerror = (event) => this.failed(event);
      }
    }

    failed(event) {
      // Once refused, the browser gives up; htmx then makes another stream in its place.
      if (this.readyState === EventSource.CLOSED) this.close();
      this.onerror(event);
    }

    let() {
      if (this.source) this.source.close();
      this.source = null;
    }

    close() {
      this.ended = true;
      document.removeEventListener("visibilitychange", this.look);
      this.let();
    }
  }
  htmx.createEventSource = (url) => new Stream(url);

  document.body.addEventListener("htmx:sseOpen", () => {
    offline.hidden = signedOut.hidden = true;
    if (interrupted) htmx.trigger(document.body, "resync");
    interrupted = false;
  });
  document.body.addEventListener("htmx:sseError", async (event) => {
    interrupted = true;
    offline.hidden = false;
    // Of a stream that was refused, the browser does not tell why.
    if (event.detail.source.readyState !== EventSource.CLOSED) return;
    const asked = { method: "HEAD", headers: { "HX-Request": "true" } };
    const answer = await fetch(location.href, asked).catch(() => null); // it still is interrupted then
    if (answer) refused(answer.status);
  });
  const refused = (status) => {
    if (status !== 401 && status !== 403) return;
    offline.hidden = true;
    signedOut.hidden = false;
  };
  document.body.addEventListener("htmx:responseError", (event) => refused(event.detail.xhr.status));

  // What somebody has opened to read must not close under their eyes.
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target.querySelector("details[open]")) event.preventDefault();
  });

  // A summary of what is wrong is read first.
  const summary = document.getElementById("problem");
  if (summary) summary.focus();

  // Forms that ask twice for the same are told apart from one that is under way.
  for (const form of document.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
      // Who stops the browser while it waits must be able to send again.
      setTimeout(() => delete form.dataset.sent, 5000);
    });
  }
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
})();
