mod headscale;
mod real_headscale;
mod tailscale;
