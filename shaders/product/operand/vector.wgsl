// Whether each of the elements offset … offset + 3 is below len.
fn below(offset: u32, len: u32) -> vec4<bool> {
    return vec4(offset) + vec4(0u, 1u, 2u, 3u) < vec4(len);
}

// The places of those elements in a line that begins at start; past its end, that of the last element.
fn within(start: u32, offset: u32, len: u32) -> vec4<u32> {
    return vec4(start) + min(vec4(offset) + vec4(0u, 1u, 2u, 3u), vec4(len - 1u));
}
