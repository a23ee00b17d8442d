internal import Crypto
package import FlashIO

/// One GGUF file: its metadata and where its tensors lie, checked against the file's length.
///
/// Format: `GGUF`, version 2 or 3, counts, metadata, tensor infos, then the data from the next
/// multiple of the alignment on (llama.cpp, ggml/include/gguf.h). A file of PowerInfer begins with
/// `PWRI` and is otherwise the same. Everything that llama.cpp's reader refuses is refused.
///
/// A file that ends before its data (`hasData` is false) is metadata alone, and is accepted.
package final class GGUFFile: Sendable {
  package let version: Int
  /// Whether the file begins with PowerInfer's `PWRI`.
  package let isPowerInfer: Bool
  package let entries: [String: GGUFEntry]
  /// The keys in the order of the file.
  package let keys: [String]
  package let tensors: [GGUFTensor]
  package let alignment: Int
  /// Bytes before the data.
  package let dataOffset: Int
  package let hasData: Bool
  let data: SourceFile

  package var path: String { data.path }

  /// The longest string or array ggml accepts.
  static let longestString = 1 << 30

  /// Opens and checks a file. Throws `gguf` naming the offset and the key or tensor. Cost: what is
  /// before the data is read once; memory is bounded by the number of keys and tensors.
  package init(path: String) throws(StoreError) {
    data = try SourceFile(path)
    var cursor = GGUFCursor(data, offset: 0)
    let magic = Array(try cursor.bytes(4, "the magic"))
    guard Self.magics.contains(magic) else {
      try FileKind.refuseOthers(
        start: try data.file.bytes(at: 0, byteCount: min(40, data.byteCount)), file: path)
      throw cursor.failure(
        "is no GGUF file", expected: "GGUF or PWRI",
        found: magic.map { String($0, radix: 16) }.joined(separator: " "), at: 0)
    }
    isPowerInfer = magic == Array("PWRI".utf8)
    version = try Self.version(&cursor)
    // The shortest tensor info and the shortest pair of key and value bound the counts.
    let tensorCount = try cursor.count(
      "the number of tensors", limit: min(1 << 20, data.byteCount / 24))
    let keyCount = try cursor.count("the number of keys", limit: min(1 << 20, data.byteCount / 14))
    var entries: [String: GGUFEntry] = [:]
    var keys: [String] = []
    for _ in 0..<keyCount {
      let (key, entry) = try Self.entry(&cursor, notIn: entries)
      entries[key] = entry
      keys.append(key)
    }
    self.entries = entries
    self.keys = keys
    alignment = try Self.alignment(entries["general.alignment"], cursor)
    var tensors: [GGUFTensor] = []
    var names: Set<String> = []
    var end = 0
    for _ in 0..<tensorCount {
      let tensor = try GGUFTensor(&cursor, expectedOffset: end, alignment: alignment)
      guard names.insert(tensor.name).inserted else {
        throw cursor.failure("has two tensors of one name", tensor: tensor.name)
      }
      end = tensor.offset + tensor.paddedByteCount
      tensors.append(tensor)
    }
    let dataOffset = cursor.offset.roundedUp(to: alignment)
    self.dataOffset = dataOffset
    hasData = data.byteCount > dataOffset || end == 0
    guard !end.addingReportingOverflow(dataOffset).overflow else {
      throw cursor.failure(
        "ends beyond any file", tensor: tensors.last?.name, found: "\(end) bytes of data")
    }
    for index in tensors.indices { tensors[index].offset += dataOffset }
    self.tensors = tensors
    // The last tensor is padded too.
    guard let last = tensors.last, hasData, dataOffset + end > data.byteCount else { return }
    let cut = tensors.first { $0.extent.end > data.byteCount } ?? last
    throw StoreError(
      .gguf, "the file ends inside this tensor or its padding", file: path, offset: cut.offset,
      tensor: cut.name, expected: "\(dataOffset + end) bytes", found: "\(data.byteCount)")
  }

  private static let magics = ["GGUF", "PWRI"].map { Array($0.utf8) }

  private static func version(_ cursor: inout GGUFCursor) throws(StoreError) -> Int {
    let bits = UInt32(try cursor.bits(4, "the version"))
    if bits & 0xFFFF == 0, bits != 0 {
      throw cursor.failure(
        "is of the other byte order", expected: "a little-endian file",
        found: "version \(bits.byteSwapped) with its bytes swapped", at: 4)
    }
    guard bits == 2 || bits == 3 else {
      throw cursor.failure(
        "is of a version that is not read", expected: "version 2 or 3", found: "\(bits)", at: 4)
    }
    return Int(bits)
  }

  private static func entry(
    _ cursor: inout GGUFCursor, notIn entries: [String: GGUFEntry]
  ) throws(StoreError) -> (String, GGUFEntry) {
    let start = cursor.offset
    let count = try cursor.count("the length of a key", limit: 65535)
    let key = String(decoding: try cursor.bytes(count, "a key"), as: UTF8.self)
    guard !key.isEmpty else { throw cursor.failure("has an empty key", at: start) }
    guard entries[key] == nil else {
      throw cursor.failure("holds this key twice", key: key, at: start)
    }
    let type = try valueType(&cursor, key: key)
    if type == .string {
      let count = try cursor.count("the length of \(key)", limit: longestString)
      let offset = cursor.offset
      try cursor.skip(count, "the value of \(key)")
      return (key, GGUFEntry(type: type, elementType: nil, count: count, offset: offset, bits: 0))
    }
    guard type == .array else {
      let offset = cursor.offset
      let bits = try cursor.bits(type.byteCount!, "the value of \(key)")
      return (key, GGUFEntry(type: type, elementType: nil, count: 1, offset: offset, bits: bits))
    }
    let element = try valueType(&cursor, key: key)
    let elementCount = try cursor.count("the count of \(key)", limit: longestString)
    let offset = cursor.offset
    if let size = element.byteCount {
      try cursor.skip(elementCount * size, "the array \(key)")
    } else {
      guard element == .string else {
        throw cursor.failure("is an array of arrays", key: key, at: start)
      }
      for _ in 0..<elementCount {
        let count = try cursor.count("the length of a string of \(key)", limit: longestString)
        try cursor.skip(count, "a string of \(key)")
      }
    }
    return (
      key,
      GGUFEntry(type: type, elementType: element, count: elementCount, offset: offset, bits: 0)
    )
  }

  private static func valueType(
    _ cursor: inout GGUFCursor, key: String
  ) throws(StoreError) -> GGUFValueType {
    let start = cursor.offset
    let number = try cursor.int32("the type of \(key)")
    guard let type = GGUFValueType(rawValue: number) else {
      throw cursor.failure(
        "has a value of a type nobody knows", key: key, expected: "0 to 12", found: "\(number)",
        at: start)
    }
    return type
  }

  private static func alignment(
    _ entry: GGUFEntry?, _ cursor: GGUFCursor
  ) throws(StoreError) -> Int {
    guard let entry else { return 32 }
    let key = "general.alignment"
    guard entry.type == .uint32 else {
      throw cursor.failure(
        "has a wrong type", key: key, expected: "uint32", found: "\(entry.type)", at: entry.offset)
    }
    guard let value = entry.integer, value > 0, value & (value - 1) == 0 else {
      throw cursor.failure(
        "is no power of two", key: key, found: "\(entry.bits)", at: entry.offset)
    }
    return value
  }

  /// SHA-256 over everything before the data, hexadecimal.
  package func headerDigest() throws(StoreError) -> String {
    var hash = SHA256()
    let end = min(dataOffset, data.byteCount)
    for start in stride(from: 0, to: end, by: 1 << 20) {
      hash.update(data: try data.file.bytes(at: start, byteCount: min(1 << 20, end - start)))
    }
    return hash.finalize().hexadecimal
  }
}

/// One tensor of a GGUF file.
package struct GGUFTensor: Equatable, Sendable {
  package let name: String
  package let type: GGUFType
  /// As the file has it, the row's width first: the reverse of a checkpoint's shape.
  package let dimensions: [Int]
  package let byteCount: Int
  /// From the start of the file.
  package fileprivate(set) var offset: Int
  /// With what is between this tensor and the next.
  fileprivate let paddedByteCount: Int

  package var extent: FileExtent { FileExtent(offset: offset, byteCount: byteCount) }

  /// Rows first.
  package var shape: [Int] { dimensions.reversed() }

  /// Values in all.
  package var valueCount: Int { dimensions.reduce(1, *) }

  /// Reads an info. `expectedOffset`: where the tensor must lie, counted from the data's start, as
  /// tensors follow each other.
  fileprivate init(
    _ cursor: inout GGUFCursor, expectedOffset: Int, alignment: Int
  ) throws(StoreError) {
    let start = cursor.offset
    let nameCount = try cursor.count("the length of a tensor's name", limit: 63)
    let name = String(decoding: try cursor.bytes(nameCount, "a tensor's name"), as: UTF8.self)
    self.name = name
    let dimensionCount = try cursor.int32("the dimensions of \(name)")
    guard (0...4).contains(dimensionCount) else {
      throw cursor.failure(
        "has too many dimensions", tensor: name, expected: "at most 4", found: "\(dimensionCount)",
        at: start)
    }
    var dimensions: [Int] = []
    for _ in 0..<dimensionCount {
      dimensions.append(try cursor.count("a dimension of \(name)", limit: Int.max))
    }
    self.dimensions = dimensions
    let number = try cursor.int32("the type of \(name)")
    guard let type = GGUFType(rawValue: number) else {
      throw cursor.failure(
        "has an element type nobody knows", tensor: name, expected: "0 to 42", found: "\(number)",
        at: start)
    }
    self.type = type
    let width = dimensions.first ?? 1
    guard width % type.block.valueCount == 0 else {
      throw cursor.failure(
        "has rows that are no whole blocks", tensor: name,
        expected: "a multiple of \(type.block.valueCount) values (\(type.name))", found: "\(width)",
        at: start)
    }
    guard let byteCount = Self.byteCount(type, dimensions),
      case let padded = byteCount.addingReportingOverflow(alignment - 1), !padded.overflow,
      case let paddedByteCount = padded.partialValue / alignment * alignment,
      !paddedByteCount.addingReportingOverflow(expectedOffset).overflow
    else {
      throw cursor.failure(
        "is larger than any file", tensor: name, found: "\(dimensions)", at: start)
    }
    self.byteCount = byteCount
    self.paddedByteCount = paddedByteCount
    let place = cursor.offset
    let offset = try cursor.bits(8, "the offset of \(name)")
    guard offset == UInt64(expectedOffset) else {
      throw cursor.failure(
        "does not follow the tensor before it", tensor: name, expected: "offset \(expectedOffset)",
        found: "\(offset)", at: place)
    }
    self.offset = expectedOffset
  }

  private static func byteCount(_ type: GGUFType, _ dimensions: [Int]) -> Int? {
    // Zeros last: an overflow before a zero is one all the same.
    var count = 1
    for dimension in dimensions where dimension > 0 {
      let (product, overflows) = count.multipliedReportingOverflow(by: dimension)
      if overflows { return nil }
      count = product
    }
    let (bytes, overflows) = (count / type.block.valueCount).multipliedReportingOverflow(
      by: type.block.byteCount)
    return overflows ? nil : dimensions.contains(0) ? 0 : bytes
  }
}
