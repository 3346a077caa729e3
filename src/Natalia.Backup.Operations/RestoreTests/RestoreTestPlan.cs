using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.BusinessDays;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Guests;
using Natalia.Backup.Operations.Points;

namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>A restore test that was checked beforehand: everything that it needs is there.</summary>
internal sealed record RestoreTestPlan
{
    /// <summary>An assumption, as the procedure writes it; -IntegrityCommand says otherwise.</summary>
    internal static readonly IReadOnlyList<string> DefaultIntegrityCommand =
        ["/usr/bin/env", "natalia-cli", "check-integrity"];

    /// <summary>An assumption, as the procedure writes it; -AuditCommand says otherwise.</summary>
    internal static readonly IReadOnlyList<string> DefaultAuditCommand =
        ["/usr/bin/env", "natalia-cli", "audit", "verify"];

    internal const decimal DefaultTolerance = 0.5m;
    internal const int DefaultRestoreMinutes = 240;
    internal const int DefaultBootMinutes = 10;
    internal const int DefaultCommandMinutes = 10;

    internal required LocatedPoint Point { get; init; }
    internal required RestoreSource Source { get; init; }
    internal required HypervisorConnection Bench { get; init; }
    internal required ITestBench TestBench { get; init; }
    internal required string IsolatedNetwork { get; init; }

    /// <summary>
    /// The disks that are served from the repository and not restored; null for a test that restores all of them.
    /// </summary>
    internal IReadOnlyList<string>? ServedDisks { get; init; }

    /// <summary>The image that gives the system disk, or null.</summary>
    internal string? SystemImage { get; init; }

    internal GuestCredential? Credential { get; init; }
    internal IReadOnlyList<string> IntegrityCommand { get; init; } = DefaultIntegrityCommand;
    internal IReadOnlyList<string> AuditCommand { get; init; } = DefaultAuditCommand;
    internal IReadOnlyList<string> CdrCountCommand { get; init; } = CdrCounter.DefaultCommand;
    internal BusinessCalendar Calendar { get; init; } = BusinessCalendar.Default;

    /// <summary>In percent of the baseline.</summary>
    internal decimal Tolerance { get; init; } = DefaultTolerance;

    internal TimeSpan BootTimeout { get; init; } = TimeSpan.FromMinutes(DefaultBootMinutes);
    internal TimeSpan CommandTimeout { get; init; } = TimeSpan.FromMinutes(DefaultCommandMinutes);
    internal TimeSpan RestoreTimeout { get; init; } = TimeSpan.FromMinutes(DefaultRestoreMinutes);
    internal bool KeepOnFailure { get; init; }
    internal IReadOnlyList<OwnCheck> Checks { get; init; } = [];
}
