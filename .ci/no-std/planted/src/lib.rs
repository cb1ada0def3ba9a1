//! A dependency that has std.

/// A value from the heap of std.
pub fn planted() -> std::string::String {
    std::string::String::from("planted")
}
