"""Results for people (tables), for programs (records) and for the eye (plots)."""
