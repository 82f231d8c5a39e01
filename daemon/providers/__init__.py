"""Adapters to the outside services; each implements a port and none knows another."""
