//! The memory of intent: what was begun, which ids were chosen, what was created.
