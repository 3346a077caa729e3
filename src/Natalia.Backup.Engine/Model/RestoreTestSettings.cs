namespace Natalia.Backup.Engine.Model;

/// <summary>
/// How an appliance is restore-tested, as <c>Set-NataliaAppliance</c> keeps it. What is null is left to the defaults.
/// Immutable and job-safe.
/// </summary>
public sealed record RestoreTestSettings
{
    /// <summary>The name of the session of the hypervisor that tests run on.</summary>
    public string? TestBench { get; init; }
    /// <summary>The absolute path of the image that a data-only point gets its system disk from.</summary>
    public string? SystemImage { get; init; }
    /// <summary>The network that leads nowhere, as the test bench calls it.</summary>
    public string? IsolatedNetwork { get; init; }
    /// <summary>The name of the secret with which commands run in the guest; never the secret itself.</summary>
    public string? GuestCredential { get; init; }
    /// <summary>
    /// The fingerprint of the guest's SSH host key (<c>SHA256:…</c>); with it commands in the guest go over SSH.
    /// </summary>
    public string? SshHostKey { get; init; }
    /// <summary>The absolute path of the private key that logs in over SSH, on the machine that tests.</summary>
    public string? SshKeyFile { get; init; }
    /// <summary>The program that checks the integrity of the data, and its arguments.</summary>
    public IReadOnlyList<string>? IntegrityCommand { get; init => field = ItemList.OfAny(value); }
    /// <summary>The program that verifies the appliance's audit log, and its arguments.</summary>
    public IReadOnlyList<string>? AuditCommand { get; init => field = ItemList.OfAny(value); }
    /// <summary>The program that counts the call records of a day, and its arguments.</summary>
    public IReadOnlyList<string>? CdrCountCommand { get; init => field = ItemList.OfAny(value); }
    /// <summary>The business calendar, as text.</summary>
    public string? BusinessCalendar { get; init; }
    /// <summary>By how much a count may differ from its baseline, in percent of the baseline: 0 to 100.</summary>
    public decimal? Tolerance { get; init; }
    /// <summary>How long the making of the test VM may take, in minutes.</summary>
    public int? RestoreTimeoutMinutes { get; init; }
    /// <summary>How long the guest may take until it answers, in minutes.</summary>
    public int? BootTimeoutMinutes { get; init; }
    /// <summary>How long each command may take, in minutes.</summary>
    public int? CommandTimeoutMinutes { get; init; }

    /// <summary>Members that a newer version of this product wrote, as JSON; kept as they are.</summary>
    internal string? UnknownMembers { get; init; }

    /// <summary>True when nothing is set.</summary>
    public bool IsEmpty => this == new RestoreTestSettings();

    /// <summary>What is set of where and with what the appliance is tested.</summary>
    public override string ToString() => string.Join(", ", new[]
    {
        Named("test bench", TestBench), Named("system image", SystemImage), Named("network", IsolatedNetwork),
        Named("credential", GuestCredential), Named("calendar", BusinessCalendar),
    }.OfType<string>());

    private static string? Named(string what, string? value) => value is null ? null : $"{what} '{value}'";
}
