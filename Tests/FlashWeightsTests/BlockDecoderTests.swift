import Foundation
import Testing

@testable import FlashWeights

/// Blocks decode to the values that ggml decodes them to, bit for bit.
struct BlockDecoderTests {
  private struct Vectors: Decodable {
    struct Case: Decodable {
      var type: String
      // swift-format-ignore: AlwaysUseLowerCamelCase
      var ggml_type: Int32
      var blocks: String
      var dequant: String
    }
    var cases: [Case]
  }

  @Test(.enabled(if: SharedFiles.has("vectors/quants"), "the shared vectors are missing"))
  func everyPublishedBlockIsDecoded() throws {
    let folder = SharedFiles.path("vectors/quants")
    func bytes(_ name: String) throws -> [UInt8] {
      [UInt8](try Data(contentsOf: URL(filePath: folder + "/" + name)))
    }
    let text = try Data(contentsOf: URL(filePath: folder + "/manifest.json"))
    var seen: Set<GGUFType> = []
    for vector in try JSONDecoder().decode(Vectors.self, from: text).cases {
      let type = try #require(GGUFType(rawValue: vector.ggml_type))
      #expect(type.name.lowercased() == vector.type.lowercased() && BlockDecoder.knows(type))
      // At an odd address: blocks of a file lie anywhere.
      let blocks = [0] + (try bytes(vector.blocks))
      let expected = try bytes(vector.dequant)
      let blockCount = (blocks.count - 1) / type.block.byteCount
      var values = [Float](repeating: 0, count: blockCount * type.block.valueCount)
      unsafe blocks.withUnsafeBytes {
        unsafe BlockDecoder.decode(
          type, $0.baseAddress! + 1, blockCount: blockCount, into: &values)
      }
      let found = unsafe values.withUnsafeBytes { unsafe [UInt8]($0) }
      #expect(found == expected, "\(type.name)")
      seen.insert(type)
    }
    #expect(seen.count == GGUFType.allCases.filter(BlockDecoder.knows).count - 1, "all but F32")
  }
}
