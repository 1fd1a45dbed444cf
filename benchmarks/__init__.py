"""Measurements that back figures in the documentation; not part of the program."""
