//! The lab of real hosts: namespaces, services and guests, started and taken down as one.
