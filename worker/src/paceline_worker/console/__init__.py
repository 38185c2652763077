"""The console (extra ``console``): pages on which people see what is wrong, and act."""
