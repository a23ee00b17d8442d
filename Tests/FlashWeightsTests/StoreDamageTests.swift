import FlashIO
import FlashKernels
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// A store that was cut, changed or comes from the future: opening or verifying it says what is
/// wrong and where.
struct StoreDamageTests {
  private let folder = ScratchFolder()
  private let store: WeightStore

  init() throws {
    var model = TinyModel(family: .deci, seed: 5, keyValueHeads: [2, 1], feedForwardWidth: 21)
    model.type = .bf16
    try model.write(to: folder / "model")
    _ = try Converter(
      source: folder / "model", target: folder / "s.flash",
      options: ConversionOptions(formats: StoreFormats(.q8_0))
    ).run()
    store = try WeightStore.open(folder / "s.flash")
  }

  private func data(_ name: String) throws -> Data {
    try Data(contentsOf: URL(filePath: store.path + "/" + name))
  }

  private func write(_ data: Data, _ name: String) throws {
    try data.write(to: URL(filePath: store.path + "/" + name))
  }

  /// Everything that opening and, where it opens, verifying complains about.
  private func complaints() -> [StoreError] {
    do {
      return try WeightStore.open(store.path).verify()
    } catch {
      return [error]
    }
  }

  @Test func wholeStoreHasNoDamage() throws {
    var last = (done: 0, total: 0)
    #expect(store.verify { last = ($0, $1) } == [])
    #expect(last.done > 0 && last.done <= last.total)
    #expect(store.modelByteCount < store.fileByteCount)
  }

  @Test func everyCutAtASectionIsReported() throws {
    let ends =
      store.manifest.tensors.map { (StoreFile.dense, $0.extent) }
      + store.manifest.bundles.map { (StoreFile.bundles, $0.extent) }
    for name in [StoreFile.dense, StoreFile.bundles] {
      let whole = try data(name)
      var cuts = Set([0, 7, 8, 4096, whole.count - 1])
      for (file, extent) in ends where file == name {
        cuts.formUnion([extent.offset, extent.offset + 1, extent.end - 1, extent.end])
      }
      for cut in cuts.sorted() where cut < whole.count {
        try write(whole.prefix(cut), name)
        let error = #expect(throws: StoreError.self) { try WeightStore.open(store.path) }
        #expect(error?.kind == .storeFileLength && error?.offset == cut)
        #expect(error?.file == store.path + "/" + name)
      }
      try write(whole + Data([0]), name)
      #expect(complaints().map(\.kind) == [.storeFileLength])
      try FileManager.default.removeItem(atPath: store.path + "/" + name)
      #expect(complaints().map(\.kind) == [.missingFile])
      try write(whole, name)
    }
    #expect(complaints() == [])
  }

  @Test func verificationGoesOnWhereFilesAreMissingOrCut() throws {
    var dense = try data(StoreFile.dense)
    let (first, last) = (store.manifest.tensors[0], try #require(store.manifest.tensors.last))
    dense[first.extent.offset] ^= 1
    try write(dense.prefix(last.extent.offset + 1), StoreFile.dense)
    try FileManager.default.removeItem(atPath: store.bundlesPath)
    try write(Data("{".utf8), "tokenizer.json")
    let damage = try WeightStore.openForVerification(store.path).verify()
    #expect(
      damage.map(\.kind) == [
        .storeFileLength, .damagedExtent, .damagedExtent, .missingFile, .storeFileLength,
      ])
    #expect(damage.map(\.tensor) == [nil, first.name, last.name, nil, nil])
    #expect(damage.allSatisfy { $0.category == .badData && $0.file != nil })
    for name in [StoreFile.dense, "tokenizer.json"] {
      try FileManager.default.removeItem(atPath: store.path + "/" + name)
    }
    let missing = try WeightStore.openForVerification(store.path).verify()
    #expect(missing.map(\.kind) == [.missingFile, .missingFile, .missingFile])
  }

  @Test func everyCutOfTheHeaderIsReportedByVerification() throws {
    let dense = try data(StoreFile.dense)
    let header = store.manifest.tensors[0].extent.offset
    for cut in stride(from: 0, to: header, by: 509) {
      try write(dense.prefix(cut), StoreFile.dense)
      let damage = try WeightStore.openForVerification(store.path).verify()
      #expect(damage.count == store.manifest.tensors.count + 2)
      #expect(damage.allSatisfy { $0.category == .badData })
    }
  }

  @Test func everyCutOfTheManifestIsReported() throws {
    let whole = try data(StoreFile.manifest)
    // All but the newline at the end, which carries nothing.
    for cut in stride(from: 0, to: whole.count - 1, by: 97) {
      try write(whole.prefix(cut), StoreFile.manifest)
      let found = complaints()
      #expect(found.count == 1 && found[0].category == .badData, "cut at \(cut)")
    }
  }

  @Test func changedBytesOfTheHeadersAreReported() throws {
    let manifest = try data(StoreFile.manifest)
    for index in stride(from: 0, to: manifest.count - 1, by: 13) {
      var changed = manifest
      changed[index] ^= 1 << UInt8(index % 8)
      try write(changed, StoreFile.manifest)
      let error = #expect(throws: StoreError.self, "byte \(index)") {
        try StoreManifest(contentsOf: store.manifestPath)
      }
      #expect(error?.category == .badData)
    }
    try write(manifest, StoreFile.manifest)
    let dense = try data(StoreFile.dense)
    let headerByteCount = store.manifest.tensors[0].extent.offset
    for index in stride(from: 0, to: headerByteCount, by: 61) {
      var changed = dense
      changed[index] ^= 1 << UInt8(index % 8)
      try write(changed, StoreFile.dense)
      let found = complaints()
      #expect(found.count == 1 && found[0].offset == index, "byte \(index)")
    }
  }

  @Test func everyDamagedExtentIsNamed() throws {
    var (dense, bundles) = (try data(StoreFile.dense), try data(StoreFile.bundles))
    let tensors = store.manifest.tensors
    dense[tensors[0].extent.offset] ^= 1
    dense[tensors[4].extent.end - 1] ^= 0x80
    bundles[store.manifest.bundles[1].extent.offset + 3] ^= 4
    try write(dense, StoreFile.dense)
    try write(bundles, StoreFile.bundles)
    try write(Data("{}".utf8 + Array(repeating: 32, count: 16)), "tokenizer.json")
    let found = complaints()
    #expect(found.map(\.tensor) == [tensors[0].name, tensors[4].name, "layers.1.bundles", nil])
    #expect(
      found.map(\.kind) == [.damagedExtent, .damagedExtent, .damagedExtent, .damagedFile])
    #expect(found[1].offset == tensors[4].extent.offset)
  }

  /// One bit of every byte, padding included: nothing of the weight files is outside a checksum.
  @Test func everyByteOfTheBundlesIsGuarded() throws {
    let whole = try data(StoreFile.bundles)
    for index in stride(from: 0, to: whole.count, by: 13) {
      var changed = whole
      changed[index] ^= 1 << UInt8(index % 8)
      try write(changed, StoreFile.bundles)
      #expect(complaints().count == 1, "byte \(index)")
    }
  }

  @Test func paddingOfTheTensorsIsGuarded() throws {
    for tensor in store.manifest.tensors {
      var dense = try data(StoreFile.dense)
      dense[tensor.extent.end] = 1
      try write(dense, StoreFile.dense)
      let found = complaints()
      #expect(found.map(\.offset) == [tensor.extent.end] && found[0].tensor == tensor.name)
      dense[tensor.extent.end] = 0
      try write(dense, StoreFile.dense)
    }
  }

  @Test(arguments: [2, 99, 0])
  func otherVersionsAreRefusedByName(version: Int) throws {
    let text = String(decoding: try data(StoreFile.manifest), as: UTF8.self)
      .replacingOccurrences(of: "\"formatVersion\" : 1", with: "\"formatVersion\" : \(version)")
    // A later version may lack every other key that is known today.
    for manifest in [text, "{\"formatVersion\": \(version)}"] {
      try write(Data(manifest.utf8), StoreFile.manifest)
      let error = complaints().first
      #expect(error?.kind == .futureVersion && error?.found == "\(version)")
      #expect(error?.category == .badData)
    }
  }

  /// Manifests that lie but carry a right checksum.
  @Test func manifestThatContradictsItselfIsRefused() throws {
    func refused(_ change: (inout StoreManifest) -> Void) throws -> StoreError? {
      var manifest = store.manifest
      change(&manifest)
      manifest.checksum = manifest.computedChecksum
      try write(Data(manifest.text), StoreFile.manifest)
      return #expect(throws: StoreError.self) { try WeightStore.open(store.path) }
    }
    #expect(try refused { $0.tensors.remove(at: 3) }?.kind == .missingTensor)
    #expect(try refused { $0.tensors.removeLast() }?.kind == .manifest)
    #expect(try refused { $0.tensors[2].rows += 1 }?.kind == .tensorShape)
    #expect(try refused { $0.tensors[2].extent.byteCount += 1 }?.kind == .manifest)
    #expect(try refused { $0.tensors[2].extent.offset += 1 }?.kind == .manifest)
    #expect(try refused { $0.tensors[2].extent.offset -= 4096 }?.kind == .manifest)
    #expect(try refused { $0.tensors[1].format = .f16 }?.kind == .manifest)
    #expect(try refused { $0.configuration.width = 0 }?.kind == .configuration)
    #expect(try refused { $0.configuration.layers.removeLast() }?.category == .badData)
    #expect(try refused { $0.bundles.removeLast() }?.kind == .manifest)
    #expect(try refused { $0.bundles[0].stride = 100 }?.kind == .manifest)
    #expect(try refused { $0.bundles[0].neuronsPerStride = 0 }?.kind == .manifest)
    #expect(try refused { $0.bundles[1].extent.offset = 0 }?.kind == .manifest)
    #expect(try refused { $0.bundles[0].neuronCount += 1 }?.kind == .tensorShape)
    #expect(try refused { $0.companions[0].name = "../x" }?.kind == .manifest)
    #expect(try refused { $0.companions[0].byteCount = 5 }?.kind == .storeFileLength)
  }

  @Test func denseFileIsValidSafetensors() throws {
    let header = try SafetensorsFile(path: store.densePath).header
    #expect(header.dataOffset % 4096 == 0)
    for tensor in store.manifest.tensors {
      let entry = try #require(header.tensors.first { $0.name == tensor.name })
      #expect(entry.extent == tensor.extent && entry.extent.offset % 4096 == 0)
    }
    #expect(header.tensors.count > store.manifest.tensors.count)
  }
}
