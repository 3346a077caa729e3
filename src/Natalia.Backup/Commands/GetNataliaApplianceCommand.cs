using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>Lists the enrolled appliances, or the VMs of the connected hypervisors.</summary>
/// <remarks>
/// <para>Alone, it lists the appliances that Set-NataliaAppliance has enrolled in the connected repositories, whether a
/// connected hypervisor shows them or not. With -Name it lists VMs of the connected hypervisors, enrolled or not; -Name
/// * lists every one.</para>
/// <para>When nothing is enrolled, that is the error NothingEnrolled: a run that protects nothing must not look like
/// one that went well.</para>
/// <para>An appliance that is enrolled in two repositories comes twice, once for each. Its Repository property binds to
/// the cmdlets that follow, so that a mixed fleet needs no branches.</para>
/// <para>With several hypervisors or repositories connected, one that does not answer is an error of its own, written
/// when the others are listed; in a pipeline to a command of this module, when that has done its work. Of what
/// Import-NataliaProfile could not connect the list of enrolled appliances warns; Invoke-NataliaBackup makes it an
/// error after its last backup.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaAppliance -Name *</code>
/// <para>Lists every VM of the connected hypervisors.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// $null = Import-NataliaProfile C:\ProgramData\natalia.json
/// Get-NataliaAppliance | Invoke-NataliaBackup</code>
/// <para>The whole of a scheduled run: every enrolled appliance goes to the repository that it is enrolled in. With
/// Stop, the script ends with an error, and so with an exit code that is not 0, when one of them failed; after the last
/// one has run.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAppliance | Where-Object { -not $_.Hypervisor }</code>
/// <para>Finds enrolled appliances that no connected hypervisor shows any more.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaAppliance", DefaultParameterSetName = EnrolledSet)]
[OutputType(typeof(Appliance))]
public sealed class GetNataliaApplianceCommand : HypervisorCommand
{
    private const string EnrolledSet = "Enrolled";
    private const string NameSet = "Name";
    private const string IdSet = "Id";

    private readonly List<(string[] Ids, IReadOnlyList<string>? Hypervisors)> _ids = [];
    private ApplianceDirectory? _directory;

    /// <summary>The VM's name; wildcards are welcome. -Name * lists every VM.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = NameSet)]
    [Alias("VMName", "ApplianceName", "Appliance")]
    [ApplianceReference]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>The appliance's id. Bound from restore points and appliances that are piped in.</summary>
    [Parameter(Mandatory = true, ParameterSetName = IdSet, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string[] ApplianceId { get; set; } = [];

    /// <summary>
    /// The repository in which to look for enrolments: the session that Connect-NataliaRepository returned, or its
    /// name. Left out, all that are connected.
    /// </summary>
    [Parameter]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string[]? Repository { get; set; }

    /// <summary>
    /// Ids that are piped in are looked up together at the end: a thousand restore points then ask a hypervisor once.
    /// </summary>
    private protected override bool TryCollect()
    {
        if (ParameterSetName != IdSet) return false;
        _ids.Add((ApplianceId, References.Clean(Hypervisor)));
        return true;
    }

    private protected override Task ProcessAsync(CancellationToken cancellationToken)
    {
        _directory ??= new ApplianceDirectory(Registry, DeferError, EmitWarning);
        return ParameterSetName == EnrolledSet
            ? ListEnrolledAsync(_directory, cancellationToken)
            : ListNamedAsync(_directory, Name, References.Clean(Hypervisor), isId: false, cancellationToken);
    }

    private protected override async Task EndAsync(CancellationToken cancellationToken)
    {
        foreach (IGrouping<string, (string[] Ids, IReadOnlyList<string>? Hypervisors)> same in _ids
            .GroupBy(i => string.Join("\n", i.Hypervisors ?? [])))
        {
            try
            {
                await ListNamedAsync(new ApplianceDirectory(Registry, DeferError, EmitWarning),
                    [.. same.SelectMany(i => i.Ids).Distinct(StringComparer.Ordinal)], same.First().Hypervisors,
                    isId: true, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e) when (!cancellationToken.IsCancellationRequested)
            {
                EmitError(e);
            }
        }
    }

    private async Task ListEnrolledAsync(ApplianceDirectory directory, CancellationToken cancellationToken)
    {
        IReadOnlyList<RepositoryConnection> repositories = Registry.RepositoriesWithPoints(References.Clean(Repository),
            null);
        IReadOnlyList<Enrolment> enrolments = await directory.ListEnrolmentsAsync(repositories,
            cancellationToken).ConfigureAwait(false);
        IReadOnlyList<HypervisorConnection> hypervisors = Registry.Hypervisors.All.Count == 0 && !NamesHypervisor
            ? []
            : Registry.Hypervisors.ForReading(References.Clean(Hypervisor));
        WarnOfAway();
        // Where a hypervisor can describe single VMs, only the enrolled ones are.
        IReadOnlyList<LocatedAppliance> appliances = await directory.FindAsync(hypervisors,
            [.. enrolments.Select(e => ApplianceSelector.Of(e.Settings.VMId))],
            cancellationToken, StandingVMs.None).ConfigureAwait(false);
        Dictionary<string, LocatedAppliance> byId = appliances.ToDictionary(a => a.Description.ApplianceId,
            StringComparer.Ordinal);
        List<Enrolment> wanted = [.. enrolments
            .Where(e => !NamesHypervisor || byId.ContainsKey(e.Settings.VMId))];
        if (wanted.Count == 0 && Registry.Repositories.Away is [AwayConnection away, ..])
            throw Registry.Repositories.Missing(away);
        if (wanted.Count == 0) throw NothingEnrolled(repositories, enrolments.Count, hypervisors);
        foreach (Enrolment enrolment in wanted.OrderBy(e => e.Settings.Name, StringComparer.OrdinalIgnoreCase))
            Emit(byId.TryGetValue(enrolment.Settings.VMId, out LocatedAppliance? located)
                ? ApplianceView.Create(located, enrolment)
                : ApplianceView.Create(enrolment));
    }

    /// <summary>
    /// A warning only: an error would end a script before what can be reached is protected. The commands that protect
    /// tell it as an error, at their end.
    /// </summary>
    private void WarnOfAway()
    {
        if (References.Clean(Repository) is not { Count: > 0 })
            foreach (AwayConnection away in Registry.Repositories.Away)
                EmitWarning(
                    $"{Registry.Repositories.Missing(away).Message} What is enrolled there alone is not listed.");
        if (!NamesHypervisor)
            foreach (AwayConnection away in Registry.Hypervisors.Away)
                EmitWarning($"{Registry.Hypervisors.Missing(away).Message} What is enrolled of it is listed without "
                    + "what it says.");
    }

    /// <summary>
    /// The list of what is to be protected has nothing in it: a nightly run that does nothing must not look like one
    /// that went well.
    /// </summary>
    private static NataliaException NothingEnrolled(IReadOnlyList<RepositoryConnection> repositories, int enrolled,
        IReadOnlyList<HypervisorConnection> hypervisors)
    {
        string places = string.Join(", ", repositories.Select(r => $"'{r.Name}'"));
        return new NataliaException(ErrorIds.NothingEnrolled, NataliaErrorKind.NotFound,
            enrolled == 0 ? $"No appliance is enrolled in {places}."
            : $"None of the {enrolled} appliances that are enrolled in {places} is shown by "
                + $"{string.Join(", ", hypervisors.Select(h => $"'{h.Name}'"))}.",
            places, "Set-NataliaAppliance enrols a VM; Get-NataliaAppliance -Name * lists every VM.");
    }

    private async Task ListNamedAsync(ApplianceDirectory directory, IReadOnlyList<string> texts,
        IReadOnlyList<string>? named, bool isId, CancellationToken cancellationToken)
    {
        // An id is known to a repository, too; a name is looked for among VMs.
        bool namesHypervisor = named is { Count: > 0 };
        bool isOptional = isId && Registry.Repositories.All.Count > 0 && Registry.Hypervisors.All.Count == 0
            && !namesHypervisor;
        IReadOnlyList<ApplianceSelector> selectors = Wildcards.Selectors(texts);
        IReadOnlyList<RepositoryConnection> repositories = References.Clean(Repository) is { Count: > 0 } wanted
            ? Registry.RepositoriesWithPoints(wanted, null)
            : [.. Registry.Repositories.OfEachIdentity.Where(c => !c.IsLimited)];
        // First, so that one of them that does not answer is told of as an error, and not as a warning besides.
        await directory.ListEnrolmentsAsync([.. repositories.Where(r => r.IsOwn)],
            cancellationToken).ConfigureAwait(false);
        IReadOnlyList<LocatedAppliance> appliances = await directory.FindAsync(isOptional
            ? []
            : Registry.Hypervisors.ForReading(named),
            selectors, cancellationToken,
            await directory.StandingAsync(cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
        if (!namesHypervisor && !isOptional && !isId) DeferAway(Registry.Hypervisors);
        IReadOnlyList<Enrolment> enrolments = await directory.ListEnrolmentsAsync(repositories,
            cancellationToken).ConfigureAwait(false);
        HashSet<string> shown = new(StringComparer.Ordinal);
        foreach (ApplianceSelector selector in selectors)
        {
            List<Enrolment> meant = selector.IsId && !namesHypervisor
                ? [.. enrolments.Where(e => e.Settings.ApplianceId == selector.Text)]
                : [];
            if (meant.Count > 0 && !appliances.Any(a => meant.Any(e => e.IsOf(a))))
            {
                if (shown.Add(selector.Text))
                {
                    foreach (Enrolment enrolment in meant) Emit(ApplianceView.Create(enrolment));
                }
                continue;
            }
            IReadOnlyList<LocatedAppliance> found;
            try
            {
                found = ApplianceDirectory.Select(appliances, selector);
            }
            catch (NataliaException e)
            {
                EmitError(e);
                continue;
            }
            foreach (LocatedAppliance located in found.OrderBy(a => a.Description.Name,
                StringComparer.OrdinalIgnoreCase)
                .Where(a => shown.Add(a.Description.ApplianceId)))
            {
                List<Enrolment> own = [.. enrolments.Where(e => e.IsOf(located))];
                if (own.Count == 0) Emit(ApplianceView.Create(located, null));
                foreach (Enrolment enrolment in own) Emit(ApplianceView.Create(located, enrolment));
            }
        }
    }
}
