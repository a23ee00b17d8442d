import FlashIO
import FlashKernels
import FlashTestSupport
import Foundation
import Synchronization
import Testing

@testable import FlashWeights

/// What `calibrate` puts into a store: all of it or nothing, the same model in another order, and
/// nobody else's certificate.
struct CalibrationInstallerTests {
  private let folder = ScratchFolder()

  private func convert(
    _ model: TinyModel, _ format: RowFormat = .q8_0, name: String = "s.flash"
  ) throws -> WeightStore {
    let source = folder / "model-\(model.seed)-\(model.family)"
    try model.write(to: source)
    _ = try Converter(
      source: source, target: folder / name,
      options: ConversionOptions(formats: StoreFormats(format), overwrite: true)
    ).run()
    return try WeightStore.open(folder / name)
  }

  private static func tiny(_ family: TinyModel.Family = .deci, seed: UInt64 = 3) -> TinyModel {
    TinyModel(
      family: family, seed: seed, keyValueHeads: family == .llama ? [2, 2, 2] : [2, 1, 2],
      feedForwardWidth: 23)
  }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { !$0.hasPrefix("model-") }.sorted()
  }

  /// The rows of every neuron and the biases along neurons, by the checkpoint's index.
  private func canonicalNeurons(_ store: WeightStore) throws -> [[[UInt8]]] {
    let bundles = [UInt8](try Data(contentsOf: URL(filePath: store.bundlesPath)))
    let dense = [UInt8](try Data(contentsOf: URL(filePath: store.densePath)))
    let orders = try store.neuronOrders()
    return store.manifest.bundles.enumerated().map { layer, layout in
      var neurons = [[UInt8]](repeating: [], count: layout.neuronCount)
      for place in 0..<layout.neuronCount {
        var bytes: [UInt8] = []
        for (part, description) in layout.parts.enumerated() {
          let start =
            layout.extent.offset + place / layout.neuronsPerStride * layout.stride
            + layout.offset(ofPart: part, neuron: place % layout.neuronsPerStride)
          bytes += bundles[start..<start + description.format.byteCount(width: layout.width)]
        }
        for tensor in store.manifest.tensors
        where tensor.layer == layer && tensor.runsAlongNeurons {
          let start = tensor.extent.offset + 4 * place
          bytes += dense[start..<start + 4]
        }
        neurons[orders[layer]?[place] ?? place] = bytes
      }
      return neurons
    }
  }

  @Test(arguments: TinyModel.Family.allCases + [.turboSparseMixtral], [RowFormat.f32, .q4_0])
  func reorderedStoreIsTheSameModel(family: TinyModel.Family, format: RowFormat) throws {
    let old = try convert(Self.tiny(family), format)
    let neurons = try canonicalNeurons(old)
    let oldChecksums = old.manifest.bundles.map(\.checksum)
    let store = try TestCalibration.install(TestCalibration.draft(old, seed: 1), in: old)
    #expect(store.manifest.modelDigest == old.manifest.modelDigest)
    #expect(store.manifest.bundles.map(\.checksum) != oldChecksums)
    #expect(store.verify() == [])
    #expect(try canonicalNeurons(store) == neurons)
    // A second calibration orders what the first one ordered.
    let again = try TestCalibration.install(TestCalibration.draft(store, seed: 2), in: store)
    #expect(again.manifest.modelDigest == old.manifest.modelDigest)
    #expect(again.verify() == [])
    #expect(try canonicalNeurons(again) == neurons)
    #expect(try names() == ["s.flash"])
  }

  @Test(arguments: [TinyModel.Family.deci, .turboSparseMixtral])
  func layersLargerThanTheMemoryAreReorderedTheSame(family: TinyModel.Family) throws {
    let store = try convert(Self.tiny(family))
    let draft = TestCalibration.draft(store, seed: 4)
    let small = try CalibrationInstaller(store: store)
    small.heldByteCount = 1
    let first = try small.stage(draft).manifest
    small.heldByteCount = BundleReordering.heldByteCount
    let second = try small.stage(draft).manifest
    #expect(first == second)
    small.discard()
    #expect(try names() == ["s.flash"])
  }

  @Test(arguments: [TinyModel.Family.deci, .turboSparseMixtral])
  func predictorsCountsAndBiasesAreReorderedWithTheirNeurons(family: TinyModel.Family) throws {
    let old = try convert(Self.tiny(family))
    let draft = TestCalibration.draft(old, seed: 5)
    let store = try TestCalibration.install(draft, in: old)
    let calibration = try #require(store.calibration)
    let counts = try #require(try store.firingCounts())
    let file = try SafetensorsFile(path: store.predictorPath)
    for (layer, draft) in draft.layers.enumerated() {
      let order = try #require(draft.order)
      #expect(counts[layer] == order.map { Int32(draft.counts[$0]) })
      guard let predictor = draft.predictor else {
        #expect(calibration.layers[layer].kind == .all)
        continue
      }
      func bytes(_ name: String) throws -> [UInt8] {
        let tensor = try #require(
          file.header.tensors.first { $0.name == "layers.\(layer).\(name)" })
        #expect(tensor.extent.offset % 4096 == 0)
        let extent = tensor.extent
        return try file.data.file.bytes(at: extent.offset, byteCount: extent.byteCount)
      }
      #expect(try bytes("reduction") == predictor.reduction.bytes)
      #expect(try bytes("expansion") == predictor.expansion.reordered(order).bytes)
      #expect(calibration.layers[layer].expansion?.rows == order.count)
      #expect(calibration.layers[layer].rank == predictor.rank)
      #expect(try store.predictor(layer: layer)?.reduction == predictor.reduction)
      let bias = try bytes("bias")
      let last = bias.suffix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      #expect(Float(bitPattern: last) == predictor.bias[order[order.count - 1]])
    }
    #expect(calibration.certificate == TestCalibration.certificate(old))
  }

  @Test func withoutANewOrderTheWeightFilesAreTheSame() throws {
    let old = try convert(Self.tiny())
    let before = try FileManager.default.attributesOfItem(atPath: old.bundlesPath)
    let store = try TestCalibration.install(
      TestCalibration.draft(old, seed: 5, reorders: false), in: old)
    let after = try FileManager.default.attributesOfItem(atPath: store.bundlesPath)
    #expect(before[.systemFileNumber] as? Int == after[.systemFileNumber] as? Int)
    #expect(store.verify() == [])
    #expect(store.manifest.tensors == old.manifest.tensors)
  }

  @Test func stoppedAtEveryStepLeavesTheOldStoreOrTheNewOne() throws {
    let old = try convert(Self.tiny(.opt))
    func calibrate(_ fault: StoreFault?) throws {
      let store = try WeightStore.open(old.path)
      let installer = try CalibrationInstaller(store: store, fault: fault)
      _ = try installer.stage(TestCalibration.draft(store, seed: 6))
      _ = try installer.publish(TestCalibration.certificate(store))
    }
    let steps = Mutex<[String]>([])
    try calibrate { _, name in
      steps.withLock { $0.append(name) }
      return nil
    }
    let new = try WeightStore.open(old.path).manifest
    let all = steps.withLock { $0 }
    let exchange = try #require(all.firstIndex(of: "exchange"))
    #expect(all.count > 10)
    var manifest = try convert(Self.tiny(.opt)).manifest
    for stop in all.indices {
      if stop > exchange + 1 { manifest = try convert(Self.tiny(.opt)).manifest }
      // Clearing what the last one left would be steps of its own.
      try? Folder.remove(folder / ".s.flash.partial")
      #expect(throws: StoreError.self) {
        try calibrate { step, _ in
          step == stop ? StoreError(.interrupted, "stopped by the test") : nil
        }
      }
      let store = try WeightStore.open(folder / "s.flash")
      #expect(store.manifest == (stop > exchange ? new : manifest), "step \(stop): \(all[stop])")
      #expect(store.verify() == [], "step \(stop)")
    }
    // What a killed installer left is in nobody's way.
    try calibrate(nil)
    #expect(try names() == ["s.flash"])
  }

  @Test func damageOfThePredictorIsNamedByItsTensor() throws {
    let old = try convert(Self.tiny())
    let store = try TestCalibration.install(TestCalibration.draft(old, seed: 7), in: old)
    let calibration = try #require(store.calibration)
    let whole = try Data(contentsOf: URL(filePath: store.predictorPath))
    for layer in calibration.layers.indices {
      for (name, extent, _) in calibration.layers[layer].extents(layer: layer) {
        var data = whole
        data[extent.offset + extent.byteCount / 2] ^= 1
        try data.write(to: URL(filePath: store.predictorPath))
        let damage = try WeightStore.open(store.path).verify()
        #expect(damage.map(\.tensor) == [name])
        #expect(damage.allSatisfy { $0.category == .badData })
      }
    }
    try whole.dropLast().write(to: URL(filePath: store.predictorPath))
    #expect(throws: StoreError.self) { try WeightStore.open(store.path) }
    try FileManager.default.removeItem(atPath: store.predictorPath)
    let error = #expect(throws: StoreError.self) { try WeightStore.open(store.path) }
    #expect(error?.kind == .missingFile)
  }

  @Test func calibrationOfAnotherModelIsRefusedWithBothDigests() throws {
    let first = try convert(Self.tiny(), name: "a.flash")
    let second = try convert(Self.tiny(seed: 9), name: "b.flash")
    let calibrated = try TestCalibration.install(
      TestCalibration.draft(first, seed: 8), in: first)
    _ = try TestCalibration.install(TestCalibration.draft(second, seed: 8), in: second)
    for target in [second.path, try convert(Self.tiny(seed: 9), name: "c.flash").path] {
      let path = target + "/calibration.json"
      try? FileManager.default.removeItem(atPath: path)
      try FileManager.default.copyItem(atPath: calibrated.calibrationPath, toPath: path)
      let error = #expect(throws: StoreError.self) { try WeightStore.open(target) }
      #expect(error?.kind == .foreignCalibration && error?.category == .badData)
      #expect(error?.expected?.contains(second.manifest.modelDigest) == true)
      #expect(error?.found == first.manifest.modelDigest)
      #expect(
        try WeightStore.openForVerification(target).verify().first?.kind == .foreignCalibration)
    }
  }

  @Test func calibrationThatContradictsItsStoreIsRefused() throws {
    let old = try convert(Self.tiny())
    let store = try TestCalibration.install(TestCalibration.draft(old, seed: 7), in: old)
    let calibration = try #require(store.calibration)
    func refused(_ change: (inout Calibration) -> Void) throws -> StoreError? {
      var changed = calibration
      change(&changed)
      try Data(changed.text).write(to: URL(filePath: store.calibrationPath))
      return #expect(throws: StoreError.self) { try WeightStore.open(store.path) }
    }
    let changes: [(inout Calibration) -> Void] = [
      { $0.layers.removeLast() }, { $0.layers[0].rank = 64 }, { $0.layers[0].rank = 31 },
      { $0.layers[0].bias = nil }, { $0.layers[0].kind = .all },
      { $0.layers[0].bias?.format = .f16 }, { $0.layers[0].counts.extent.offset = 1 << 40 },
      { $0.layers[0].counts.extent.offset = Int.max - 3 },
      { $0.layers[0].counts.extent.offset = $0.layers[1].counts.extent.offset },
      { $0.layers[1].reduction?.extent.offset += 1 }, { $0.layers[1].expansion?.rows -= 1 },
      { $0.certificate?.layers.removeLast() },
      { $0.certificate?.newBytesPerToken.removeLast() },
      { $0.certificate?.densePerplexity.value = 0 },
    ]
    for (index, change) in changes.enumerated() {
      #expect(try refused(change)?.category == .badData, "change \(index)")
    }
    #expect(try refused { $0.formatVersion = 2 }?.kind == .futureVersion)
    try Data("[]".utf8).write(to: URL(filePath: store.calibrationPath))
    #expect(throws: StoreError.self) { try WeightStore.open(store.path) }
  }

  @Test(arguments: [TinyModel.Family.llama, .qwen2MoE])
  func thresholdsAreKeptAndDamagedOnesRefused(family: TinyModel.Family) throws {
    var model = Self.tiny(family)
    model.configuration.activation = .silu
    let old = try convert(model)
    let draft = TestCalibration.thresholds(old, 0.125, seed: 7)
    let store = try TestCalibration.install(draft, in: old)
    #expect(store.verify() == [])
    #expect(store.manifest.modelDigest == old.manifest.modelDigest)
    let calibration = try #require(store.calibration)
    #expect(calibration.hasThresholds && !calibration.predicts)
    // The second layer of the mixture has no neurons that could be left out.
    #expect(
      calibration.layers.map { $0.threshold.map { Float($0) } }
        == draft.layers.map(\.threshold))
    let faults: [(change: (inout Calibration) -> Void, says: String)] = [
      ({ $0.layers[0].threshold = -0.1 }, "is no magnitude"),
      ({ $0.layers[0].threshold = 1e39 }, "is no magnitude"),
      ({ $0.layers[2].threshold = nil }, "is missing"),
      ({ $0.layers.removeLast() }, "another number of layers"),
      ({ $0.certificate?.mode = nil }, "another mode"),
      ({ for layer in $0.layers.indices { $0.layers[layer].threshold = nil } }, "another mode"),
    ]
    for fault in faults {
      var changed = calibration
      fault.change(&changed)
      try Data(changed.text).write(to: URL(filePath: store.calibrationPath))
      let error = #expect(throws: StoreError.self) { try WeightStore.open(store.path) }
      #expect(error?.kind == .calibration && error?.problem.contains(fault.says) == true)
      if fault.says.hasPrefix("is") { #expect(error?.tensor?.hasPrefix("layers.") == true) }
    }
    let text = String(decoding: calibration.text, as: UTF8.self)
    for value in ["NaN", "\"a\"", "1e999"] {
      let damaged = text.replacing("\"threshold\" : 0.125", with: "\"threshold\" : \(value)")
      #expect(damaged != text)
      try Data(damaged.utf8).write(to: URL(filePath: store.calibrationPath))
      #expect(throws: StoreError.self) { try WeightStore.open(store.path) }
    }
  }

  @Test func aThresholdForAReLUModelIsRefused() throws {
    let old = try convert(Self.tiny())
    let store = try TestCalibration.install(TestCalibration.draft(old, seed: 7), in: old)
    var changed = try #require(store.calibration)
    for layer in changed.layers.indices { changed.layers[layer].threshold = 0.1 }
    changed.certificate?.mode = .threshold
    try Data(changed.text).write(to: URL(filePath: store.calibrationPath))
    let error = #expect(throws: StoreError.self) { try WeightStore.open(store.path) }
    #expect(error?.kind == .calibration && error?.tensor == "layers.0")
  }

  @Test func predictorsOfAnotherNumberOfExpertsAreRefused() throws {
    let old = try convert(Self.tiny(.turboSparseMixtral))
    let store = try TestCalibration.install(TestCalibration.draft(old, seed: 7), in: old)
    for change in [32, 5 * 32, 7 * 32] {
      var changed = try #require(store.calibration)
      changed.layers[0].reduction?.rows = change
      changed.layers[0].reduction?.extent.byteCount = change * 2 * store.configuration.width
      try Data(changed.text).write(to: URL(filePath: store.calibrationPath))
      let error = #expect(throws: StoreError.self) { try WeightStore.open(store.path) }
      #expect(error?.kind == .calibration && error?.tensor == "layers.0")
      #expect(error?.expected == "138 neurons of width 32, of 6 experts")
    }
  }

  @Test func anOrderThatMovesANeuronToAnotherExpertIsRefused() throws {
    let old = try convert(Self.tiny(.turboSparseMixtral))
    let store = try TestCalibration.install(TestCalibration.draft(old, seed: 7), in: old)
    let extent = try #require(store.calibration?.layers[1].order?.extent)
    var data = try Data(contentsOf: URL(filePath: store.predictorPath))
    let last = extent.offset + 4 * (store.manifest.bundles[1].neuronsPerExpert - 1)
    for byte in 0..<4 { data.swapAt(last + byte, last + 4 + byte) }
    try data.write(to: URL(filePath: store.predictorPath))
    let error = #expect(throws: StoreError.self) { try store.neuronOrders() }
    #expect(error?.kind == .damagedExtent && error?.tensor == "layers.1.order")
    #expect(error?.problem == "moves a neuron to another expert")
    #expect(throws: StoreError.self) { try CalibrationInstaller(store: store) }
  }

  @Test func damagedWeightsAreNotGivenANewOrder() throws {
    let store = try convert(Self.tiny())
    var bundles = try Data(contentsOf: URL(filePath: store.bundlesPath))
    bundles[5] ^= 1
    try bundles.write(to: URL(filePath: store.bundlesPath))
    let installer = try CalibrationInstaller(store: store)
    let error = #expect(throws: StoreError.self) {
      try installer.stage(TestCalibration.draft(store, seed: 1))
    }
    #expect(error?.kind == .damagedFile)
    installer.discard()
    #expect(try names() == ["s.flash"])
  }
}
