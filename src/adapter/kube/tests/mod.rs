mod api;
mod calls;
mod through_tls;
