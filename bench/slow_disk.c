/* Makes each fsync and fdatasync take 4 ms longer. Compiled and loaded by bench/durable.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static const struct timespec SLOWER = {0, 4 * 1000 * 1000};

static int slower(const char *name, int descriptor) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    nanosleep(&SLOWER, 0);
    return real(descriptor);
}

int fsync(int descriptor) { return slower("fsync", descriptor); }

int fdatasync(int descriptor) { return slower("fdatasync", descriptor); }
