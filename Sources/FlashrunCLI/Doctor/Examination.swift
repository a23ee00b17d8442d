internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashProfiler
internal import FlashWeights
internal import FlashWindow
internal import Flashrun

/// Looks at the host, and at a store where one is named, and runs every check.
struct Examination {
  var facts = HostFacts()

  /// What does not depend on a model.
  ///
  /// - Parameters:
  ///   - wantedByteCount: bytes that a run would hold.
  ///   - minimum: the least that it takes.
  func host(wantedByteCount: Int?, minimum: Int) -> [any DoctorCheck] {
    let swap = facts.swap
    let quota = facts.processorQuota
    let governor = facts.governor
    let cores = WorkerPool.physicalCoreCount
    var checks: [any DoctorCheck] = [
      UringCheck(
        refusal: UringReadEngine.probe(), disabled: facts.uringDisabled, seccomp: facts.seccomp),
      LockedMemoryCheck(
        limit: ResourceLimit.lockedMemory.current, isPrivileged: facts.mayLockMemory,
        wantedByteCount: wantedByteCount),
    ]
    if let limits = MemoryLimits() {
      checks += [GroupLimitCheck(limits: limits), KillCheck(killCount: limits.killCount)]
    }
    checks += [
      SwapCheck(totalByteCount: swap.total, usedByteCount: swap.used),
      AddressSpaceCheck(
        limit: ResourceLimit.addressSpace.current, overcommit: facts.overcommit,
        committable: facts.committable, minimum: minimum),
      HugePageCheck(setting: facts.hugePages),
      InstructionCheck(
        supported: InstructionSet.supported, processorName: WorkerPool.processorName),
      ProcessorCheck(
        online: facts.onlineCount ?? cores, cores: cores, quota: quota.quota,
        throttledCount: quota.throttledCount),
      GovernorCheck(governor: governor.name, driver: governor.driver),
    ]
    if let load = facts.load { checks.append(LoadCheck(load: load, cores: cores)) }
    return checks
  }

  /// All checks; those of a store that does not open end with why.
  func checks(store path: String?, options: EngineOptions) throws -> [any DoctorCheck] {
    guard let path else { return host(wantedByteCount: nil, minimum: Self.leastByteCount) }
    let store: WeightStore
    do throws(StoreError) {
      store = try WeightStore.open(path)
    } catch {
      return host(wantedByteCount: nil, minimum: Self.leastByteCount) + [
        StoreCheck(outcome: .refused(error), path: path)
      ]
    }
    let room = try memoryRoom(store, options)
    return host(wantedByteCount: room.limit, minimum: room.minimum) + [room]
      + (try reading(store, options)) + self.store(store)
  }

  /// What the smallest model takes.
  private static let leastByteCount = 64 << 20

  private func memoryRoom(_ store: WeightStore, _ options: EngineOptions) throws -> MemoryRoomCheck
  {
    let isSparse = store.configuration.hasSilentNeurons
    let resolved = try options.resolved(for: store).decoder
    let limit = resolved.storage.memoryLimit ?? Int.max
    var check = MemoryRoomCheck(
      limit: limit, minimum: 0, resident: 0, feedForward: nil, isSparse: isSparse,
      sparseMinimum: nil)
    if isSparse {
      // Asking for exact at a limit of nothing names the least that it takes.
      var exact = resolved
      exact.sparsity = .exact
      exact.storage.memoryLimit = 1
      do { _ = try Decoder.plan(store: store, options: exact) } catch let error as MemoryPlanError {
        check.sparseMinimum = error.requiredByteCount
      }
    }
    do {
      let plan = try Decoder.plan(store: store, options: resolved).plan
      check.minimum = plan.minimumByteCount
      check.resident = plan.residentByteCount
      check.feedForward = plan.feedForward.name
    } catch let error as MemoryPlanError {
      check.minimum = error.requiredByteCount
    }
    return check
  }

  private func reading(_ store: WeightStore, _ options: EngineOptions) throws -> [any DoctorCheck] {
    let path = store.bundlesPath
    let file = try FlashFile(path: path, direct: options.decoder.storage.direct)
    let storage = StorageFacts(path: path)
    let unit = file.isDirect ? file.unit : nil
    return [
      FileSystemCheck(type: storage?.device.fileSystem),
      DirectReadCheck(
        unit: unit, fallbackReason: file.fallbackReason,
        amplification: InspectReport.amplification(store.manifest.bundles, unit: unit ?? 1)),
      DeviceClassCheck(
        name: storage?.device.byteCount == nil ? nil : storage?.device.name,
        isRotational: storage?.isRotational),
      ProfileCheck(
        saved: storage.map {
          ProfileStore(configurationFolder: Environment.configurationFolder).profile(of: $0.device)
        } ?? .none, store: store.path),
      DiskRoomCheck(
        freeByteCount: HostFacts.freeByteCount(at: store.path),
        bundleByteCount: store.manifest.bundlesByteCount),
    ]
  }

  private func store(_ store: WeightStore) -> [any DoctorCheck] {
    let certificate = store.calibration?.certificate
    var calibration = CalibrationCheck(
      isSparse: store.configuration.hasSilentNeurons,
      certificate: certificate.map { ($0.textName, $0.perplexityChange) },
      hasPredictors: store.calibration?.isPriceable == true, path: store.path)
    if store.calibration?.hasThresholds == true { calibration.mode = .threshold }
    return [
      StoreCheck(
        outcome: .opened(
          formatVersion: store.manifest.formatVersion, generator: store.manifest.generator,
          byteCount: store.modelByteCount, isSynthetic: store.manifest.synthetic != nil),
        path: store.path),
      calibration,
    ]
  }
}
