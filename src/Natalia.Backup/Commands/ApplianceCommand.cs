using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>
/// A cmdlet that does something with VMs on their hypervisors. The failure of one VM does not stop the others: its
/// error is written when the last one was done.
/// </summary>
public abstract class ApplianceCommand : HypervisorCommand
{
    private readonly HashSet<(HypervisorConnection, string)> _taken = [];
    private ApplianceDirectory? _directory;

    private protected ApplianceCommand() { }

    /// <summary>The appliance: an object of Get-NataliaAppliance, a name, a wildcard or an id.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference(MeansVM = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[]? Appliance { get; set; }

    /// <summary>The appliance's id. Bound from what is piped in.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string? ApplianceId { get; set; }

    /// <summary>Finds VMs and what repositories keep of them; what it has asked for once, it knows.</summary>
    private protected ApplianceDirectory Lookup =>
        _directory ??= new ApplianceDirectory(Registry, DeferError, EmitWarning);

    private IReadOnlyList<string> Named => References.Named(Appliance, ApplianceId);

    /// <summary>True when the user named no appliance at all.</summary>
    private protected bool NamesNone => Named.Count == 0;

    /// <summary>
    /// Whether a VM is taken once, however many inputs name it. False where inputs differ in more than the VM.
    /// </summary>
    private protected virtual bool TakesOnce => true;

    /// <summary>Does the work for one VM.</summary>
    private protected abstract Task ProcessApplianceAsync(LocatedAppliance located,
        CancellationToken cancellationToken);

    /// <summary>True when one was to be named, and what was given is empty.</summary>
    private protected bool NamesEmpty => NamesNone && (IsBound(nameof(Appliance)) || IsBound(nameof(ApplianceId)));

    /// <summary>Does the work when no appliance was named; by default that is an error.</summary>
    private protected virtual Task ProcessNoneAsync(CancellationToken cancellationToken) =>
        throw References.NoApplianceNamed();

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        if (NamesNone)
        {
            if (NamesEmpty) throw References.NoApplianceNamed();
            await ProcessNoneAsync(cancellationToken).ConfigureAwait(false);
            return;
        }
        foreach (ApplianceSelector selector in Wildcards.Selectors(Named))
        {
            IReadOnlyList<LocatedAppliance> found;
            try
            {
                found = await FindAsync(selector, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                DeferError(e, selector.Text);
                continue;
            }
            foreach (LocatedAppliance located in found)
            {
                // Named twice, by two names or two inputs, it is one VM still, of which one snapshot is wanted.
                if (TakesOnce && !_taken.Add((located.Hypervisor, located.Description.ApplianceId))) continue;
                try
                {
                    await ProcessApplianceAsync(located, cancellationToken).ConfigureAwait(false);
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested)
                {
                    DeferError(e, ApplianceView.Create(located, null));
                }
            }
        }
    }

    /// <summary>
    /// Which VMs stand for appliances, for a command that has to know it of every VM. By default null: it is looked up
    /// for ids alone that no VM has.
    /// </summary>
    private protected virtual Task<StandingVMs?> FindStandingAsync(CancellationToken cancellationToken) =>
        Task.FromResult<StandingVMs?>(null);

    /// <summary>
    /// The VMs that a selector means. Where a hypervisor can describe single VMs, only the wanted ones are described.
    /// </summary>
    private async Task<IReadOnlyList<LocatedAppliance>> FindAsync(ApplianceSelector selector,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<HypervisorConnection> hypervisors = HypervisorsToRead();
        return ApplianceDirectory.SelectForChange(await Lookup.FindAsync(hypervisors, [selector],
            cancellationToken, await FindStandingAsync(cancellationToken).ConfigureAwait(false)).ConfigureAwait(false),
            selector);
    }
}
