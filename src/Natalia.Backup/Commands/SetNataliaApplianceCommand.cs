using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Backup;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>Enrols a VM as an appliance, or changes its settings.</summary>
/// <remarks>
/// <para>The settings are kept with the repository, or, for a storage of a Proxmox VE cluster, in a line of the VM's
/// notes there; so that every machine that backs the appliance up uses the same ones. A parameter that is left out
/// leaves its setting as it is.</para>
/// <para>On Proxmox VE a whole VM is backed up, its system disk with it; -IncludeSystemDisk:$false enrols it for points
/// of the data disk alone, which need a storage of their own. A VM that Register-NataliaSchedule has scheduled is
/// enrolled by that already.</para>
/// <para>An enrolled appliance is listed by Get-NataliaAppliance alone, and Invoke-NataliaBackup knows where it
/// goes.</para>
/// <para>Whether the data disk can be told is checked now, not in the first scheduled night.</para>
/// </remarks>
/// <example>
/// <code>Set-NataliaAppliance natalia-paris -Repository nas</code>
/// <para>Enrols a VM in the repository "nas".</para>
/// </example>
/// <example>
/// <code>Set-NataliaAppliance natalia-lyon -DataDisk scsi1 -IncludeSystemDisk -PassThru</code>
/// <para>Says which disk holds the data, has the system disk backed up too, and shows the result.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAppliance -Name 'natalia-*' | Where-Object { -not $_.IsEnrolled } | Set-NataliaAppliance -Repository nas</code>
/// <para>Enrols every appliance that is not enrolled yet.</para>
/// </example>
[Cmdlet(VerbsCommon.Set, "NataliaAppliance", DefaultParameterSetName = ApplianceSet, SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(Appliance))]
public sealed class SetNataliaApplianceCommand : RepositoryWriterCommand
{
    private const string ApplianceSet = "Appliance";
    private const string IdSet = "Id";

    private ApplianceDirectory? _directory;

    /// <summary>The VM: an object of Get-NataliaAppliance, a name or a wildcard.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ApplianceSet, ValueFromPipeline = true)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[] Appliance { get; set; } = [];

    /// <summary>The appliance's id. Bound from what is piped in.</summary>
    [Parameter(Mandatory = true, ParameterSetName = IdSet, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string[] ApplianceId { get; set; } = [];

    /// <summary>
    /// The id of the disk that holds the data, as Get-NataliaAppliance shows it under Disks. An empty text leaves it to
    /// the hypervisor's description again.
    /// </summary>
    [Parameter]
    [AllowEmptyString]
    public string? DataDisk { get; set; }

    /// <summary>Back up the system disk with every run. -IncludeSystemDisk:$false ends it.</summary>
    [Parameter]
    public SwitchParameter IncludeSystemDisk { get; set; }

    /// <summary>
    /// What a backup does when the guest does not put its data in order: Crash makes a crash-consistent point and tells
    /// the reason, Fail makes none. Not for Proxmox VE, which decides by itself.
    /// </summary>
    [Parameter]
    public QuiesceFailure OnQuiesceFailure { get; set; }

    /// <summary>Write the appliance with its new settings to the pipeline.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        if (!string.IsNullOrEmpty(Repository)) Registry.Repositories.Get(Repository!);
        _directory ??= new ApplianceDirectory(Registry, DeferError, EmitWarning);
        IReadOnlyList<ApplianceSelector> selectors = Wildcards.Selectors(ParameterSetName == IdSet
            ? ApplianceId
            : Appliance);
        IReadOnlyList<LocatedAppliance> appliances = await _directory.FindAsync(HypervisorsToRead(), selectors,
            cancellationToken).ConfigureAwait(false);
        foreach (ApplianceSelector selector in selectors)
        {
            try
            {
                foreach (LocatedAppliance located in ApplianceDirectory.SelectForChange(appliances, selector))
                {
                    RepositoryConnection repository = Registry.RepositoryFor(located.Hypervisor, Repository,
                        located.Description.Name);
                    IReadOnlyList<Enrolment> enrolments = await _directory.ListEnrolmentsAsync([repository],
                        cancellationToken).ConfigureAwait(false);
                    await SetAsync(repository, located,
                        enrolments.FirstOrDefault(
                            e => e.Settings.ApplianceId == located.Description.ApplianceId)?.Settings,
                        cancellationToken).ConfigureAwait(false);
                }
            }
            catch (NataliaException e)
            {
                EmitError(e, selector.Text);
            }
        }
    }

    private async Task SetAsync(RepositoryConnection repository, LocatedAppliance located, ApplianceSettings? before,
        CancellationToken cancellationToken)
    {
        ApplianceDescription description = located.Description;
        if (IsBound(nameof(OnQuiesceFailure)) && !repository.IsOwn)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"Whether '{description.Name}' is backed up without its guest's help is the hypervisor's own decision.",
                description.Name, "Leave -OnQuiesceFailure out.");
        ApplianceSettings known = before ?? new ApplianceSettings
        {
            ApplianceId = description.ApplianceId,
            Name = description.Name,
            HypervisorKind = description.HypervisorKind,
            IncludeSystemDisk = !repository.IsOwn,
        };
        ApplianceSettings after = known with
        {
            Name = description.Name,
            DataDiskId = IsBound(nameof(DataDisk))
                ? (string.IsNullOrEmpty(DataDisk) ? null : DataDisk)
                : known.DataDiskId,
            IncludeSystemDisk = IsBound(nameof(IncludeSystemDisk)) ? IncludeSystemDisk : known.IncludeSystemDisk,
            OnQuiesceFailure = IsBound(nameof(OnQuiesceFailure)) ? OnQuiesceFailure : known.OnQuiesceFailure,
        };
        IReadOnlyList<ApplianceDisk> disks = DiskSelection.Select(description, after.DataDiskId,
            after.IncludeSystemDisk);
        if (after.DataDiskId is not null) after = after with { DataDiskId = disks[0].DiskId };
        string action = before is null
            ? $"Enrol in repository '{repository.Name}'"
            : $"Change its settings in repository '{repository.Name}'";
        if (!await ShouldProcessAsync(description.Name, action).ConfigureAwait(false)) return;
        // In a hypervisor's storage also when nothing differs: a VM that is enrolled by its schedule alone stays so
        // without it.
        if (!repository.IsOwn || after != before)
            await Evidence.Over(repository)
                .SetApplianceSettingsAsync(description, after, cancellationToken).ConfigureAwait(false);
        if (PassThru) Emit(ApplianceView.Create(located, new Enrolment(repository, after)));
    }
}
