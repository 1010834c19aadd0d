//! What a tree needs beside the inventory.

/// What a tree needs beside the inventory.
#[derive(Clone, Debug)]
pub struct Given {
    /// The manifests of Flux's controllers, as the publisher wrote them.
    pub components: String,
    /// The age recipients of its secrets; empty when they are left to others.
    pub recipients: Vec<String>,
}
