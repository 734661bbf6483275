// Places in stacks of planes of `extent` = (height, width), and the extent of a convolution's taps.

fn tap_extent() -> vec2<u32> {
    return vec2(params.kernel_height, params.kernel_width);
}

// (plane, row, column) of an element, and that of the next element without a division.
fn place_of(index: u32, extent: vec2<u32>) -> vec3<u32> {
    let line = index / extent.y;
    let plane = line / extent.x;
    return vec3(plane, line - plane * extent.x, index - line * extent.y);
}

fn next_place(place: vec3<u32>, extent: vec2<u32>) -> vec3<u32> {
    if (place.z + 1u < extent.y) {
        return vec3(place.xy, place.z + 1u);
    }
    if (place.y + 1u < extent.x) {
        return vec3(place.x, place.y + 1u, 0u);
    }
    return vec3(place.x + 1u, 0u, 0u);
}
