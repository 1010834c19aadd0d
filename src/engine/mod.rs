//! How steps are run: in the order of their needs, with retries, and stoppable.
