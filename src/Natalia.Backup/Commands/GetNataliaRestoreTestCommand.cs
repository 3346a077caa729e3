using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Commands;

/// <summary>Lists the restore tests that were made, newest first.</summary>
/// <remarks>
/// <para>Test-NataliaRestore keeps each test with the appliance: in the log of the repository that holds the point, or,
/// for a storage of a Proxmox VE cluster, in that of its evidence repository. The records are signed and never
/// change.</para>
/// <para>Passed: every check passed. Failed: one failed. NotTested: none failed, but not everything could be checked;
/// that is no evidence. No password is needed: Connect-NataliaRepository -AuditOnly is enough.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRestoreTest -Appliance natalia-paris -After (Get-Date).AddMonths(-3)</code>
/// <para>Lists the last quarter's tests of one appliance.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestoreTest -Appliance natalia-paris | Select-Object -First 1 | Select-Object -ExpandProperty Checks</code>
/// <para>Shows the checks of the last test.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestoreTest | Where-Object Result -ne Passed | Select-Object StartedUtc, ApplianceName, Reason</code>
/// <para>Lists the tests that did not pass, and why.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaRestoreTest")]
[OutputType(typeof(RestoreTest))]
public sealed class GetNataliaRestoreTestCommand : RepositoryReaderCommand
{
    private readonly List<RestoreTest> _found = [];
    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);
    private IReadOnlyList<RestoreTest>? _all;

    /// <summary>
    /// The appliance: an object of Get-NataliaAppliance, the name that it had when the point was made, or a wildcard.
    /// </summary>
    [Parameter(Position = 0)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[]? Appliance { get; set; }

    /// <summary>The appliance's id. Bound from appliances and restore points that are piped in.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string? ApplianceId { get; set; }

    /// <summary>
    /// Only tests of this restore point: its id, or at least four digits of its beginning. Bound from restore points
    /// that are piped in.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [RestorePointReference]
    [ArgumentCompleter(typeof(RestorePointCompleter))]
    public string? RestorePointId { get; set; }

    /// <summary>Only tests that began at this time or later. A time without a zone is local time.</summary>
    [Parameter]
    public DateTime? After { get; set; }

    /// <summary>Only tests that began at this time or earlier. A time without a zone is local time.</summary>
    [Parameter]
    public DateTime? Before { get; set; }

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        if (IsBound(nameof(RestorePointId)) && string.IsNullOrWhiteSpace(RestorePointId))
            throw References.NoPointNamed();
        IReadOnlyList<string> named = References.Named(Appliance, ApplianceId);
        if (named.Count == 0 && (IsBound(nameof(Appliance)) || IsBound(nameof(ApplianceId))))
            throw References.NoApplianceNamed();
        IReadOnlyList<RestoreTest> tests = await ReadAsync(cancellationToken).ConfigureAwait(false);
        IReadOnlyList<ApplianceSelector> selectors = Wildcards.Selectors(named);
        if (selectors.Count == 0)
        {
            Take(tests);
            return;
        }
        foreach (ApplianceSelector selector in selectors)
        {
            IReadOnlyList<RestoreTest> own = selector.Choose(tests, t => t.ApplianceId, t => t.ApplianceName);
            if (own.Count == 0 && !selector.IsId && selector.Miss(() => new NataliaException(
                ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"There is no restore test of an appliance '{selector.Text}'.", selector.Text,
                "Test-NataliaRestore makes one.")) is NataliaException miss)
                EmitError(miss);
            Take(own);
        }
    }

    private protected override Task EndAsync(CancellationToken cancellationToken)
    {
        foreach (RestoreTest test in _found.OrderByDescending(t => t.StartedUtc)) Emit(test);
        return Task.CompletedTask;
    }

    /// <summary>Reads the logs once for all that is piped in, unless that names other repositories.</summary>
    private async Task<IReadOnlyList<RestoreTest>> ReadAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<string>? named = References.Clean(Repository);
        bool isNamed = named is { Count: > 0 } || !string.IsNullOrEmpty(RepositoryId);
        if (!isNamed && _all is not null) return _all;
        if (!isNamed) DeferAway(Registry.Repositories);
        IReadOnlyList<RepositoryConnection> repositories = Registry.Repositories.ForReading(
            named is { Count: > 0 } ? named : string.IsNullOrEmpty(RepositoryId) ? null : [RepositoryId!]);
        IReadOnlyList<RestoreTest> tests = await new RestoreTestBook(Registry, Evidence).ReadAsync(repositories,
            string.IsNullOrEmpty(ApplianceId) ? null : [ApplianceId!], null, null, DeferError,
            cancellationToken).ConfigureAwait(false);
        if (!isNamed && string.IsNullOrEmpty(ApplianceId)) _all = tests;
        return tests;
    }

    private void Take(IEnumerable<RestoreTest> tests)
    {
        DateTime? after = After?.ToUniversalTime(), before = Before?.ToUniversalTime();
        _found.AddRange(tests.Where(t => (after is null || t.StartedUtc >= after)
            && (before is null || t.StartedUtc <= before)
            && (string.IsNullOrEmpty(RestorePointId)
                || t.RestorePointId.StartsWith(RestorePointId!.Trim(), StringComparison.OrdinalIgnoreCase))
            && _seen.Add(t.RestoreTestId)));
    }
}
