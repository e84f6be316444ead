// swift-tools-version:6.3
import PackageDescription

/// What every module of Weir is compiled with.
let strictSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// For modules whose functions return views (`~Escapable` values).
let views: [SwiftSetting] = strictSettings + [.enableExperimentalFeature("Lifetimes")]

/// For the modules that every byte passes: dynamic exclusivity checks cost a quarter of the time a call takes here
/// (see docs/architecture.md), and debug builds, which all tests run, keep them.
let hot: [SwiftSetting] = views + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

/// For code that a generator wrote and that does not follow the rules of this repository.
let generated: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Tests may use pointers freely.
let testing: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "weir",
    products: [
        .executable(name: "weir", targets: ["weir"]),
        // For the nested packages Benchmarks and Tests/Fuzz only; nothing in them is a promise.
        .library(name: "FuzzBodies", targets: ["FuzzBodies"]),
        .library(
            name: "WeirCore",
            targets: [
                "Wire", "Calls", "Hessian", "Dubbo", "HTTP1", "HTTP2", "JSONRPC", "Triple", "Telemetry", "Policy",
                "Inspection", "Capture",
            ]
        ),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.0"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // Thin C targets.
        .target(name: "CLinux"),
        .systemLibrary(name: "CPcap", pkgConfig: "libpcap", providers: [.apt(["libpcap-dev"])]),
        .systemLibrary(name: "CPcre2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),

        // Protocol cores: bytes in, facts out.
        .target(name: "Wire", swiftSettings: views),
        .target(name: "Calls", dependencies: ["Wire"], swiftSettings: views),
        .target(name: "Hessian", dependencies: ["Wire"], swiftSettings: hot),
        .target(name: "Dubbo", dependencies: ["Wire", "Calls", "Hessian"], swiftSettings: hot),
        .target(name: "HTTP1", dependencies: ["Wire", "CZlib"], swiftSettings: hot),
        .target(name: "HTTP2", dependencies: ["Wire"], swiftSettings: hot),
        .target(name: "JSONRPC", dependencies: ["Wire", "Calls"], swiftSettings: hot),
        .target(name: "Triple", dependencies: ["Wire", "Calls"], swiftSettings: hot),
        .target(name: "Telemetry", dependencies: ["Wire", "Calls"], swiftSettings: strictSettings),
        .target(name: "Policy", dependencies: ["Wire", "Calls", "CPcre2", "CLinux"], swiftSettings: hot),
        .target(
            name: "Inspection",
            dependencies: [
                "Wire", "Calls", "Hessian", "Dubbo", "HTTP1", "HTTP2", "JSONRPC", "Triple", "Telemetry", "Policy",
            ],
            swiftSettings: hot
        ),

        // The world outside.
        .target(name: "Clocks", dependencies: ["CLinux"], swiftSettings: strictSettings),
        .target(
            name: "Relay",
            dependencies: ["Wire", "Calls", "Clocks", "Inspection", "Telemetry", "Policy", "CLinux"],
            swiftSettings: hot
        ),
        .target(
            name: "Capture",
            dependencies: ["Wire", "Calls", "Inspection", "CPcap", "CLinux"],
            swiftSettings: hot
        ),
        .target(name: "Settings", dependencies: ["Calls", "Policy", "CYaml"], swiftSettings: strictSettings),
        .target(
            name: "Admin",
            dependencies: [
                "Calls", "Clocks", "Telemetry", "CZlib",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strictSettings
        ),
        .target(
            name: "OTLP",
            dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
            swiftSettings: generated
        ),
        .target(
            name: "Export",
            dependencies: [
                "Wire", "Calls", "Clocks", "Telemetry", "OTLP", "CZlib",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: strictSettings
        ),
        .target(
            name: "Demo",
            dependencies: [
                "Wire", "Calls", "Clocks", "Hessian", "Dubbo", "HTTP1", "HTTP2", "JSONRPC", "Triple", "CLinux",
            ],
            swiftSettings: strictSettings
        ),
        .target(name: "Interception", dependencies: ["Settings", "CLinux"], swiftSettings: strictSettings),
        .executableTarget(
            name: "weir",
            dependencies: [
                "Wire", "Calls", "Dubbo", "HTTP1", "Telemetry", "Policy", "Inspection", "Relay", "Capture", "Settings",
                "Interception", "Admin", "Export", "Demo", "Clocks", "CLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strictSettings,
            // Nobody links against the executable: without its table of symbols, what is not used can go.
            linkerSettings: [
                .unsafeFlags(
                    ["-use-ld=lld", "-Xlinker", "--no-export-dynamic", "-Xlinker", "--icf=all"],
                    .when(configuration: .release)
                )
            ]
        ),

        // Tests.
        .target(name: "CAllocCount", path: "Tests/CAllocCount"),
        .target(
            name: "TestSupport",
            dependencies: ["Calls", "CAllocCount"],
            path: "Tests/TestSupport",
            swiftSettings: testing
        ),
        .target(
            name: "PlanModel",
            dependencies: ["Inspection", "Wire"],
            path: "Tests/PlanModel",
            swiftSettings: testing
        ),
        .target(
            name: "FuzzBodies",
            dependencies: [
                "Hessian", "Dubbo", "HTTP2", "JSONRPC", "Triple", "Wire", "Capture", "Inspection", "Calls", "Telemetry",
                "Policy", "PlanModel",
            ],
            path: "Tests/FuzzBodies",
            swiftSettings: testing
        ),
        .testTarget(name: "WireTests", dependencies: ["Wire", "TestSupport"], swiftSettings: testing),
        .testTarget(
            name: "HessianTests",
            dependencies: ["Hessian", "Wire", "TestSupport", "FuzzBodies"],
            swiftSettings: testing
        ),
        .testTarget(
            name: "DubboTests",
            dependencies: ["Dubbo", "Hessian", "Wire", "TestSupport", "FuzzBodies"],
            swiftSettings: testing
        ),
        .testTarget(name: "HTTP1Tests", dependencies: ["HTTP1", "Wire", "TestSupport"], swiftSettings: testing),
        .testTarget(
            name: "JSONRPCTests",
            dependencies: ["JSONRPC", "Calls", "Wire", "TestSupport"],
            swiftSettings: testing
        ),
        .testTarget(
            name: "TripleTests",
            dependencies: ["Triple", "Calls", "Wire", "TestSupport"],
            swiftSettings: testing
        ),
        .testTarget(name: "HTTP2Tests", dependencies: ["HTTP2", "Wire", "TestSupport"], swiftSettings: testing),
        .testTarget(
            name: "CaptureTests",
            dependencies: ["Capture", "Wire", "TestSupport", "FuzzBodies"],
            swiftSettings: testing
        ),
        .testTarget(
            name: "DemoTests",
            dependencies: [
                "Demo", "Relay", "Telemetry", "Calls", "Clocks", "Dubbo", "Hessian", "HTTP1", "HTTP2", "Triple", "Wire",
                "TestSupport",
            ],
            swiftSettings: testing
        ),
        .testTarget(
            name: "RelayTests",
            dependencies: [
                "Relay", "Inspection", "Policy", "Telemetry", "Calls", "Wire", "PlanModel", "TestSupport",
            ],
            swiftSettings: testing
        ),
        .testTarget(
            name: "InspectionTests",
            dependencies: [
                "Inspection", "Capture", "Telemetry", "Policy", "Dubbo", "Hessian", "HTTP2", "Calls", "Wire",
                "PlanModel",
                "TestSupport", "FuzzBodies",
            ],
            swiftSettings: testing
        ),
        .testTarget(
            name: "ExtensionTests",
            dependencies: [
                "Inspection", "Relay", "Telemetry", "Policy", "Calls", "Wire", "PlanModel", "TestSupport",
            ],
            swiftSettings: testing
        ),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "weir", "Relay", "Inspection", "Telemetry", "Dubbo", "Calls", "Settings", "Wire", "TestSupport",
            ],
            swiftSettings: testing
        ),
        .testTarget(
            name: "SettingsTests",
            dependencies: ["Settings", "Policy", "Calls", "TestSupport"],
            swiftSettings: testing
        ),
        .executableTarget(
            name: "LimitDecider",
            dependencies: ["Policy", "Calls"],
            path: "Tests/LimitDecider",
            swiftSettings: testing
        ),
        .testTarget(
            name: "InterceptionTests",
            dependencies: ["Interception", "TestSupport"],
            swiftSettings: testing
        ),
        .testTarget(
            name: "PolicyTests",
            dependencies: ["Policy", "Calls", "Wire", "TestSupport", "LimitDecider"],
            swiftSettings: testing
        ),
        .testTarget(
            name: "ExportTests",
            dependencies: [
                "Export", "OTLP", "Telemetry", "Calls", "Wire", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: testing
        ),
        .testTarget(
            name: "TelemetryTests",
            dependencies: ["Telemetry", "Calls", "Wire", "TestSupport"],
            swiftSettings: testing
        ),
        .testTarget(
            name: "AdminTests",
            dependencies: [
                "Admin", "HTTP1", "Telemetry", "Calls", "Clocks", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: testing
        ),
    ]
)

// The builds that only test the cores (sanitizers, allocation counts) leave out what stands on packages from elsewhere.
if Context.environment["WEIR_CORE_ONLY"] != nil {
    let outer: Set = ["Admin", "OTLP", "Export", "weir", "AdminTests", "ExportTests", "IntegrationTests"]
    package.targets.removeAll { outer.contains($0.name) }
    package.products.removeAll { $0.name == "weir" }
    package.dependencies = []
}
