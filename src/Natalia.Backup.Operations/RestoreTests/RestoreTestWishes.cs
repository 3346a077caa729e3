using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Guests;

namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>
/// How all of a command's restore tests are to be made. What is null was not said: then an appliance's settings say it,
/// or a default.
/// </summary>
internal sealed record RestoreTestWishes
{
    /// <summary>The name of the session of a hypervisor.</summary>
    internal string? TestBench { get; init; }
    internal string? SystemImage { get; init; }
    internal string? IsolatedNetwork { get; init; }
    internal GuestCredential? Credential { get; init; }
    /// <summary>A fingerprint or a public key.</summary>
    internal string? SshHostKey { get; init; }
    internal string? SshKeyFile { get; init; }
    internal IReadOnlyList<string>? IntegrityCommand { get; init; }
    internal IReadOnlyList<string>? AuditCommand { get; init; }
    internal IReadOnlyList<string>? CdrCountCommand { get; init; }
    internal string? BusinessCalendar { get; init; }
    internal decimal? Tolerance { get; init; }
    internal int? RestoreTimeoutMinutes { get; init; }
    internal int? BootTimeoutMinutes { get; init; }
    internal int? CommandTimeoutMinutes { get; init; }
    internal bool KeepOnFailure { get; init; }
    /// <summary>Whether the VM runs from the repository, and nothing is restored.</summary>
    internal bool IsFromRepository { get; init; }
    internal IReadOnlyList<OwnCheck> Checks { get; init; } = [];

    /// <summary>Has the secret of a name turned into a credential.</summary>
    internal Func<string, Task<GuestCredential>>? ResolveCredential { get; init; }

    /// <summary>Refuses what cannot be meant, before anything is looked for.</summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>, <c>ToleranceInvalid</c>,
    /// <c>BusinessCalendarInvalid</c>, <c>TimeZoneNotFound</c>, <c>GuestCommandInvalid</c>,
    /// <c>SystemImagePathInvalid</c>, <c>SystemImageNotFound</c>, <c>SystemImageNotSupported</c>,
    /// <c>SshHostKeyInvalid</c>, <c>SshKeyInvalid</c>, <c>CheckInvalid</c>.</exception>
    internal async Task CheckAsync(CancellationToken cancellationToken)
    {
        EnsureTolerance(Tolerance);
        if (IsFromRepository && KeepOnFailure)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.InvalidArgument,
                "-KeepOnFailure has no meaning with -FromRepository: the disks of the VM end with the command.", null,
                "Leave one of them out.");
        _ = BusinessDays.BusinessCalendar.ParseKept(BusinessCalendar);
        foreach ((IReadOnlyList<string>? command, string name) in Commands())
            if (command is not null) _ = GuestCommandLine.Parse(command, name);
        if (SystemImage is not null)
            _ = await Restore.SystemImage.FindAsync(SystemImage, cancellationToken).ConfigureAwait(false);
        if (SshHostKey is not null) _ = Hypervisors.Contract.SshHostKey.Parse(SshHostKey);
        if (SshKeyFile is not null) Guests.SshKeyFile.Check(SshKeyFile);
        HashSet<string> names = new(RestoreTestChecks.All, StringComparer.OrdinalIgnoreCase);
        foreach (OwnCheck check in Checks)
            if (!names.Add(check.Name))
                throw new NataliaException(ErrorIds.CheckInvalid, NataliaErrorKind.InvalidArgument,
                    $"There are two checks of the name '{check.Name}'.", check.Name, "Give each a name of its own.");
    }

    /// <exception cref="NataliaException"><c>ToleranceInvalid</c>.</exception>
    internal static void EnsureTolerance(decimal? tolerance)
    {
        if (tolerance is null or (>= 0 and <= 100)) return;
        throw new NataliaException(ErrorIds.ToleranceInvalid, NataliaErrorKind.InvalidArgument,
            $"A tolerance of {tolerance} % cannot be: 0 to 100 percent of the baseline.", null,
            "0.5 is what the procedure asks for.");
    }

    private IEnumerable<(IReadOnlyList<string>? Command, string Name)> Commands() =>
        [(IntegrityCommand, nameof(IntegrityCommand)), (AuditCommand, nameof(AuditCommand)),
            (CdrCountCommand, nameof(CdrCountCommand))];
}
