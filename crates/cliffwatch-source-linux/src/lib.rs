//! Linux conntrack over SSH, nothing installed on the host.
