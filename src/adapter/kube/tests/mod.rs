mod api;
mod calls;
mod objects;
mod through_tls;
