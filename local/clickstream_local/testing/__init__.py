"""For suites: fixtures, seeds, groups of tests, a browser, a pod with faults."""
