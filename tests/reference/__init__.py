"""The reference pages under docs/: written from the program itself by `make references`, held to it by the tests."""
