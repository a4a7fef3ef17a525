"""Many files: workers here or on other machines, one failure stops nothing."""
