// The rows or columns first … first + 3, those past the last of `count` as the last.
fn four_within(first: u32, count: u32) -> vec4<u32> {
    return min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(count - 1u));
}
