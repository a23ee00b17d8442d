internal import FlashIO
internal import FlashKernels

/// Finds the tensors of experts: one for each expert and role, or one for all experts of a layer,
/// the same way in the whole model.
struct ExpertTensors {
  let source: any ModelSource
  let configuration: ModelConfiguration
  let prefix: String
  /// The first tensors found of either spelling.
  private var stacked: SourceTensor?
  private var separate: SourceTensor?

  init(source: any ModelSource, configuration: ModelConfiguration, prefix: String) {
    self.source = source
    self.configuration = configuration
    self.prefix = prefix
  }

  /// The tensors of a role in a layer with experts, one for each expert; of a bias the one that it
  /// is. Takes their names from `unused`.
  ///
  /// Throws `missingTensor`, `tensorShape` and `unknownDataType`, and `unexpectedTensor` where the
  /// model has both spellings.
  mutating func take(
    _ pattern: Layout.TensorPattern, layer: Int, from unused: inout Set<String>
  ) throws(StoreError) -> [SourceTensor] {
    let count = configuration.layers[layer].expertCount ?? 1
    let names =
      pattern.isPerExpert
      ? (0..<count).map { pattern.name(prefix: prefix, layer: layer, expert: $0) } : []
    let stacks = pattern.stacks(prefix: prefix, layer: layer)
    let stack = stacks.first { source.tensors[$0.name] != nil }
    if stacked == nil, let stack { stacked = source.tensors[stack.name] }
    if separate == nil, let name = names.first(where: { source.tensors[$0] != nil }) {
      separate = source.tensors[name]
    }
    if let stacked, let separate {
      throw StoreError(
        .unexpectedTensor, "holds all experts, and others have tensors of their own",
        file: source.path(of: stacked), offset: stacked.extent.offset, tensor: stacked.name,
        expected: "the one or the other", found: separate.name)
    }
    if let stack, let tensor = source.tensors[stack.name] {
      unused.remove(stack.name)
      if let name = stack.stack.scales { unused.remove(name) }
      let weight = TensorShape(pattern.role, layer: layer, in: configuration)
      if pattern.isBias { return [try bias(tensor, weight, experts: count, stack.stack)] }
      var parts = try parts(of: tensor, weight, experts: count, stack.stack)
      if let name = pattern.scaleName(prefix: prefix, layer: layer),
        let scale = source.tensors[name]
      {
        let factors = try TensorMap.factors(scale, count, source.files)
        for expert in parts.indices { parts[expert].multiplier = factors[expert] }
        unused.remove(name)
      }
      return parts
    }
    guard pattern.isPerExpert else {
      throw missing(stacks.first?.name ?? pattern.name, "the model lacks this tensor")
    }
    var tensors: [SourceTensor] = []
    for (expert, name) in names.enumerated() {
      guard let tensor = source.tensors[name] else {
        let all = stacks.map { "this tensor, or \($0.name)" }.first
        throw missing(
          name, "expert \(expert) of \(count) lacks this tensor",
          expected: separate == nil ? all : nil)
      }
      let weight = TensorShape(pattern.role, layer: layer, in: configuration)
      let file = source.path(of: tensor)
      try TensorMap.require(tensor, Self.shape(ofExpert: weight, count), file: file)
      try TensorMap.checkEncoding(of: tensor, isVector: false, file: file)
      tensors.append(tensor)
      unused.remove(name)
    }
    return tensors
  }

  private func missing(_ name: String, _ problem: String, expected: String? = nil) -> StoreError {
    StoreError(
      .missingTensor, problem, file: source.path, tensor: name, expected: expected)
  }

  /// Rows and columns of an expert's part of a weight.
  private static func shape(ofExpert weight: TensorShape, _ count: Int) -> [Int] {
    weight.role == .down
      ? [weight.rows, weight.width / count] : [weight.rows / count, weight.width]
  }

  /// Throws where the source has a tensor of an expert that the configuration does not have.
  func refuseMore(
    than patterns: [Layout.TensorPattern], in unused: Set<String>
  ) throws(StoreError) {
    for pattern in patterns where pattern.isPerExpert {
      for (layer, shape) in configuration.layers.enumerated() {
        guard let count = shape.expertCount else { continue }
        let name = pattern.name(prefix: prefix, layer: layer, expert: count)
        guard unused.contains(name), let tensor = source.tensors[name] else { continue }
        throw StoreError(
          .unexpectedTensor, "is of an expert that the configuration does not have",
          file: source.path(of: tensor), offset: tensor.extent.offset, tensor: name,
          expected: "\(count) experts", found: "more")
      }
    }
  }

  /// The matrices of the experts in a stack.
  private func parts(
    of tensor: SourceTensor, _ weight: TensorShape, experts count: Int,
    _ stack: Layout.ExpertStack
  ) throws(StoreError) -> [SourceTensor] {
    let shape = Self.shape(ofExpert: weight, count)
    let (rows, width) = (shape[0], shape[1])
    let roles = stack.roles ?? [weight.role]
    let isTurned = stack.isTurned == true
    // What one expert's matrix of the file is, with the rows of all roles.
    let whole = [roles.count * rows, width]
    let file = source.path(of: tensor)
    var encoding = tensor.encoding
    var scales: SourceTensor?
    if let name = stack.scales {
      scales = try self.scales(name, of: tensor, shape: [count] + whole)
      encoding = .blocks(.mxfp4)
    } else {
      try TensorMap.require(tensor, [count] + (isTurned ? whole.reversed() : whole), file: file)
      try TensorMap.checkEncoding(of: tensor, isVector: false, file: file)
    }
    let place = roles.firstIndex(of: weight.role) ?? 0
    return (0..<count).map { expert in
      func slab(_ extent: FileExtent) -> FileExtent {
        let byteCount = extent.byteCount / count
        return FileExtent(offset: extent.offset + expert * byteCount, byteCount: byteCount)
      }
      var part = SourceTensor(
        fileIndex: tensor.fileIndex, name: "\(tensor.name)[\(expert)]", encoding: encoding,
        shape: whole, extent: slab(tensor.extent))
      part.isTurned = isTurned
      part.scales = scales.map { ScaleExtent(fileIndex: $0.fileIndex, extent: slab($0.extent)) }
      if roles.count > 1 {
        part.order = Self.order(rows: rows, roles: roles.count, place: place, stack)
        part.usedRowCount = rows
      }
      return part
    }
  }

  /// Where the rows of one of several roles lie among those of all.
  private static func order(
    rows: Int, roles count: Int, place: Int, _ stack: Layout.ExpertStack
  ) -> RowOrder {
    stack.isInterleaved == true
      ? .runs(count: 1, distance: count, start: place)
      : .runs(count: rows, distance: count * rows, start: place * rows)
  }

  /// The biases of all experts: `[experts, values]` in the file.
  private func bias(
    _ tensor: SourceTensor, _ weight: TensorShape, experts count: Int,
    _ stack: Layout.ExpertStack
  ) throws(StoreError) -> SourceTensor {
    let roles = stack.roles ?? [weight.role]
    let values = Self.shape(ofExpert: weight, count)[0]
    let file = source.path(of: tensor)
    try TensorMap.require(tensor, [count, roles.count * values], file: file)
    try TensorMap.checkEncoding(of: tensor, isVector: true, file: file)
    var bias = SourceTensor(
      fileIndex: tensor.fileIndex, name: tensor.name, encoding: tensor.encoding,
      shape: [count * roles.count * values], extent: tensor.extent)
    if roles.count > 1 {
      bias.order = Self.order(
        rows: values, roles: roles.count, place: roles.firstIndex(of: weight.role) ?? 0, stack)
      bias.usedRowCount = count * values
    }
    return bias
  }

  /// Checks the codes and the scales of MXFP4 matrices of a shape, and gives the scales.
  private func scales(
    _ name: String, of codes: SourceTensor, shape: [Int]
  ) throws(StoreError) -> SourceTensor {
    guard let scales = source.tensors[name] else {
      throw missing(name, "the model lacks the scales of \(codes.name)")
    }
    let blocks = Array(shape.dropLast()) + [shape[shape.count - 1] / MXFP4.valueCount]
    guard shape[shape.count - 1] % MXFP4.valueCount == 0 else {
      throw StoreError(
        .tensorShape, "has rows that are no whole blocks of MXFP4", file: source.path(of: codes),
        offset: codes.extent.offset, tensor: codes.name,
        expected: "a multiple of \(MXFP4.valueCount)", found: "\(shape)")
    }
    for (tensor, shape) in [(codes, blocks + [MXFP4.codeByteCount]), (scales, blocks)] {
      let file = source.path(of: tensor)
      try TensorMap.require(tensor, shape, file: file)
      guard tensor.encoding.name == "U8" else {
        throw StoreError(
          .unknownDataType, "has an element type that MXFP4 has not", file: file,
          offset: tensor.extent.offset, tensor: tensor.name, expected: "U8",
          found: tensor.encoding.name)
      }
    }
    return scales
  }
}

/// Microscaling blocks of 32 values (OCP Microscaling Formats, MXFP4): 16 bytes of codes and one of
/// scale. Checkpoints hold codes and scales in two tensors, and codes 2i and 2i + 1 in byte i; ggml
/// has the scale before the codes, and codes i and i + 16 in byte i.
enum MXFP4 {
  static let valueCount = 32
  static let codeByteCount = 16
  /// Bytes of one of ggml's blocks.
  static let byteCount = 17

  /// Puts checkpoints' blocks together as ggml has them.
  static func join(
    codes: UnsafeRawBufferPointer, scales: UnsafeRawBufferPointer,
    into blocks: UnsafeMutableRawBufferPointer
  ) {
    for block in 0..<scales.count {
      let (input, output) = (block * codeByteCount, block * byteCount)
      unsafe blocks[output] = scales[block]
      func code(_ value: Int) -> UInt8 {
        unsafe codes[input + value / 2] >> UInt8(4 * (value % 2)) & 15
      }
      for index in 0..<16 {
        unsafe blocks[output + 1 + index] = code(index) | code(index + 16) << 4
      }
    }
  }
}
