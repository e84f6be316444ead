// swift-tools-version:6.3
import PackageDescription

/// As the parent package compiles its tests.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// A caller of the inspector is compiled as the relay is: see the parent package.
let hot: [SwiftSetting] = settings + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

let package = Package(
    name: "weir-benchmarks",
    dependencies: [
        .package(name: "weir", path: ".."),
        .package(url: "https://github.com/ordo-one/benchmark", exact: "1.38.1", traits: []),
    ],
    targets: [
        .target(
            name: "Workloads",
            dependencies: [.product(name: "WeirCore", package: "weir")],
            swiftSettings: hot
        ),
        .executableTarget(name: "bench-count", dependencies: ["Workloads"], swiftSettings: settings),
        // The benchmark plugin takes targets whose folder stands in one named Benchmarks: this package's own.
        .executableTarget(
            name: "Micro",
            dependencies: ["Workloads", .product(name: "Benchmark", package: "benchmark")],
            path: "Micro",
            swiftSettings: settings,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
        ),
    ]
)
