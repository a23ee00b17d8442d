package import FlashIO
internal import FlashKernels
internal import Glibc

/// The parts of neurons that a sparse run reads, copied out of a store's bundles into a file for
/// each part: up rows in one, down columns in another, where neurons are predicted gate rows in a
/// third, as a checkpoint has them.
///
/// They exist to measure what bundling brings. The files have no name, so that nothing of them is
/// left when the process ends, however it ends; `paths` lead to them while this value lives.
package final class SeparateParts: Sendable {
  /// One for each part of a front, in the bundles' order; good for this process only.
  package let paths: [String]
  private let files: [NamelessFile]
  private let plan: PartsPlan

  /// Whether all parts that are read of a store's neurons have rows of one length, which their
  /// files need.
  ///
  /// - Parameter isWhole: whether the deciding part is among them.
  package static func canSeparate(_ manifest: StoreManifest, isWhole: Bool) -> Bool {
    manifest.bundles.allSatisfy { bundle in
      let parts = PartsPlan.parts(of: bundle, isWhole: isWhole)
      return parts.allSatisfy { $0.format == parts.first?.format }
    }
  }

  /// Bytes of disk that the files of a store take.
  package static func requiredByteCount(of store: WeightStore, isWhole: Bool) -> Int {
    let plan = PartsPlan(store.manifest, isWhole: isWhole)
    return plan.fileByteCount * plan.partCount
  }

  /// Bytes free on the disk that holds `folder`. Throws where there is none.
  package static func freeByteCount(in folder: String) throws(StoreError) -> Int {
    try Folder.freeByteCount(folder)
  }

  /// Copies the parts into files on the disk that holds `folder`.
  ///
  /// Traps unless `canSeparate`.
  ///
  /// - Parameters:
  ///   - isWhole: whether the deciding part is copied too.
  ///   - isCancelled: asked every few megabytes; then `interrupted` is thrown.
  ///   - progress: called with the bytes written so far, and of all.
  /// - Throws: `diskSpace` before anything is written where there is not enough, and what reading
  ///   and writing throw.
  package init(
    of store: WeightStore, in folder: String, isWhole: Bool = false,
    isCancelled: () -> Bool = { false }, progress: (Int, Int) -> Void = { _, _ in }
  ) throws(StoreError) {
    plan = PartsPlan(store.manifest, isWhole: isWhole)
    let required = Self.requiredByteCount(of: store, isWhole: isWhole)
    let free = try Folder.freeByteCount(folder)
    guard required <= free else {
      throw StoreError(
        .diskSpace, "there is not enough disk for the neurons' parts in files of their own",
        file: folder, expected: "\(required) bytes", found: "\(free)")
    }
    var files: [NamelessFile] = []
    for _ in 0..<plan.partCount {
      files.append(try NamelessFile(in: folder, byteCount: plan.fileByteCount))
    }
    self.files = files
    paths = files.map(\.path)
    let source = try File.reading(store.bundlesPath)
    let total = plan.bundles.enumerated().reduce(0) { sum, layer in
      sum + layer.element.strideCount * plan.rowByteCount(layer: layer.offset) * files.count
    }
    var done = 0
    for layer in plan.bundles.indices {
      for strides in plan.pieces(ofLayer: layer) {
        if isCancelled() { throw StoreError(.interrupted, "interrupted") }
        try Self.copy(strides, layer: layer, plan: plan, from: source, to: files)
        done += strides.count * plan.rowByteCount(layer: layer) * files.count
        progress(done, total)
      }
    }
    for file in files { try file.flush() }
  }

  /// Where the rows of a stride's neurons lie, the same in every file.
  package func extent(layer: Int, stride: Int) -> FileExtent {
    plan.extent(layer: layer, stride: stride)
  }

  /// Bytes of one part of a neuron.
  package func neuronByteCount(layer: Int) -> Int {
    plan.rowByteCount(layer: layer) / plan.bundles[layer].neuronsPerStride
  }

  /// Bytes from one part to the next in a slot that takes any stride's rows, widened to whole
  /// units.
  package func partByteCount(unit: Int) -> Int { plan.partByteCount(unit: unit) }

  /// Bytes of a slot for one stride's rows of all parts.
  package func slotByteCount(unit: Int) -> Int { plan.partByteCount(unit: unit) * paths.count }

  /// Copies some strides of a layer.
  private static func copy(
    _ strides: Range<Int>, layer: Int, plan: PartsPlan, from source: borrowing File,
    to files: [NamelessFile]
  ) throws(StoreError) {
    let bundle = plan.bundles[layer]
    let start = bundle.extent.offset + strides.lowerBound * bundle.stride
    let input = Bytes(count: strides.count * bundle.stride)
    try unsafe source.read(into: input.buffer, at: start)
    // What was read once would only push other pages out.
    _ = unsafe posix_fadvise(
      source.descriptor, start, input.buffer.count, POSIX_FADV_DONTNEED)
    let rows = plan.rowByteCount(layer: layer)
    let row = rows / bundle.neuronsPerStride
    for (part, file) in files.enumerated() {
      let output = Bytes(count: strides.count * rows)
      for stride in 0..<strides.count {
        for neuron in 0..<bundle.neuronsPerStride {
          let from = stride * bundle.stride + bundle.offset(ofPart: part, neuron: neuron)
          unsafe (output.start + stride * rows + neuron * row).copyMemory(
            from: input.start + from, byteCount: row)
        }
      }
      try unsafe file.write(
        UnsafeRawBufferPointer(output.buffer),
        at: plan.extent(layer: layer, stride: strides.lowerBound).offset)
    }
  }
}

/// Where every stride's rows lie in the files, the same in each.
private struct PartsPlan: Sendable {
  let bundles: [BundleLayout]
  /// Where each layer begins; a multiple of 4096.
  private let starts: [Int]
  let fileByteCount: Int
  let partCount: Int

  /// The parts of a bundle that are read.
  static func parts(of bundle: BundleLayout, isWhole: Bool) -> ArraySlice<BundleLayout.Part> {
    bundle.parts.dropLast(isWhole ? 0 : 1)
  }

  init(_ manifest: StoreManifest, isWhole: Bool) {
    bundles = manifest.bundles
    partCount = bundles.map { Self.parts(of: $0, isWhole: isWhole).count }.max() ?? 0
    var starts: [Int] = []
    var end = 0
    for bundle in bundles {
      let fronts = Self.parts(of: bundle, isWhole: isWhole)
      precondition(
        fronts.allSatisfy { $0.format == fronts.first?.format },
        "the parts that are read have rows of one length")
      starts.append(end)
      end += Self.rowByteCount(bundle) * bundle.strideCount
      end = end.roundedUp(to: 4096)
    }
    self.starts = starts
    fileByteCount = end
  }

  /// Bytes of one part's rows of a stride.
  private static func rowByteCount(_ bundle: BundleLayout) -> Int {
    bundle.neuronsPerStride * bundle.parts[0].format.byteCount(width: bundle.width)
  }

  func rowByteCount(layer: Int) -> Int { Self.rowByteCount(bundles[layer]) }

  func extent(layer: Int, stride: Int) -> FileExtent {
    let rows = rowByteCount(layer: layer)
    return FileExtent(offset: starts[layer] + stride * rows, byteCount: rows)
  }

  /// Strides of a layer in pieces of about 4 MiB.
  func pieces(ofLayer layer: Int) -> some Sequence<Range<Int>> {
    let bundle = bundles[layer]
    let count = max(1, (4 << 20) / bundle.stride)
    return stride(from: 0, to: bundle.strideCount, by: count).lazy.map { first in
      first..<min(bundle.strideCount, first + count)
    }
  }

  func partByteCount(unit: Int) -> Int {
    var widest = 0
    for (layer, bundle) in bundles.enumerated() {
      // Where in a unit a stride begins repeats after at most as many strides as a unit has bytes.
      for stride in 0..<min(bundle.strideCount, unit) {
        let extent = extent(layer: layer, stride: stride)
        widest = max(widest, extent.widened(toUnit: unit).byteCount)
      }
    }
    return widest
  }
}

/// A file without a name, which the kernel removes when it is closed.
private final class NamelessFile: Sendable {
  private let file: File

  /// Leads to the file while it is open, for this process.
  var path: String { "/proc/self/fd/\(file.descriptor)" }

  init(in folder: String, byteCount: Int) throws(StoreError) {
    file = try File.nameless(in: folder)
    try file.reserve(byteCount: byteCount)
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StoreError) {
    try unsafe file.write(bytes, at: offset)
  }

  /// Waits until the bytes are on the disk, and gives their pages back.
  func flush() throws(StoreError) {
    try file.synchronize()
    _ = posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED)
  }
}
