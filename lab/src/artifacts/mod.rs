//! What the lab builds before it can start, cached by version and recipe.
