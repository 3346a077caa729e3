using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Backup;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Text;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Says beforehand what would fail: rights, guest agent, storages, leftovers.</summary>
/// <remarks>
/// <para>For Proxmox VE and Hyper-V. Hypervisors of other kinds offer no such check: that is the error
/// CapabilityMissing.</para>
/// <para>Also disks that are left out of backups, and VMs that no schedule takes. Nothing is changed. Each check is an
/// object of its own; a right that is missing is named with its path. NotEvidenced means that a check could not be
/// made, and is no success.</para>
/// <para>FirmwareState says whether points hold the VM's UEFI variables and the state of its TPM. Where a hypervisor
/// does not give them, a VM that is built of a point begins with fresh ones.</para>
/// <para>Without an appliance only what concerns the hypervisor is checked. With -Quiet one Boolean is written for all
/// appliances together: True when something was checked and no check failed.</para>
/// </remarks>
/// <example>
/// <code>Test-NataliaPrerequisite -Appliance natalia-01 -Repository pbs -ReplicationTarget pve2 -IsolatedNetwork vmbr9 | Where-Object Result -ne Passed</code>
/// <para>Shows what is not as it should be for backups, replication and restore tests.</para>
/// </example>
/// <example>
/// <code>if (-not (Test-NataliaPrerequisite -Appliance natalia-01 -Repository pbs -Quiet)) { throw 'A backup would fail.' }</code>
/// <para>A runbook that looks before it leaps.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "NataliaPrerequisite")]
[OutputType(typeof(CheckResult), typeof(bool))]
public sealed class TestNataliaPrerequisiteCommand : ApplianceCommand
{
    /// <summary>
    /// The storages that take restore points: sessions that Connect-NataliaRepository -ProxmoxStorage returned, or
    /// their names. Left out, those of the appliance's schedules.
    /// </summary>
    [Parameter]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string[]? Repository { get; set; }

    /// <summary>The VM host for replication, when there is to be one.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(VMHostCompleter))]
    public string? ReplicationTarget { get; set; }

    /// <summary>The isolated network for restore tests, when there are to be some.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? IsolatedNetwork { get; set; }

    private readonly Verdict _verdict = new();

    /// <summary>
    /// Write every check by itself. Left out, what passed is told together, one row for each appliance, behind what did
    /// not; CheckCount says how many checks a row stands for.
    /// </summary>
    [Parameter]
    public SwitchParameter Detailed { get; set; }

    /// <summary>Write only one True or False, for all appliances together.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    private protected override string MissedWithoutInput => "nothing was checked";

    private protected override Task ProcessApplianceAsync(LocatedAppliance located,
        CancellationToken cancellationToken) =>
        TestAsync(located.Hypervisor, located.Description, cancellationToken);

    private protected override async Task ProcessNoneAsync(CancellationToken cancellationToken)
    {
        foreach ((HypervisorConnection hypervisor, _) in HypervisorsAbleTo<IPrerequisites>("check of prerequisites"))
            await TestAsync(hypervisor, null, cancellationToken).ConfigureAwait(false);
    }

    private protected override Task EndAsync(CancellationToken cancellationToken)
    {
        if (Quiet) Emit(_verdict.IsGood && !HasErrors);
        return Task.CompletedTask;
    }

    private async Task TestAsync(HypervisorConnection hypervisor, ApplianceDescription? appliance,
        CancellationToken cancellationToken)
    {
        IPrerequisites? prerequisites = hypervisor.Hypervisor.Find<IPrerequisites>();
        if (prerequisites is null && (appliance is null || hypervisor.Hypervisor.Find<IImageSource>() is null))
            prerequisites = hypervisor.Hypervisor.Require<IPrerequisites>("check of prerequisites");
        IReadOnlyList<string>? storages =
            References.Clean(Repository)?.Select(r => Registry.Repositories.Get(r).Native?.Storage
            ?? throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The repository '{r}' is not a hypervisor's own storage.", r))
            .ToList();
        var request = new PrerequisiteRequest
        {
            Storages = storages,
            ReplicationTarget = ReplicationTarget,
            IsolatedNetwork = IsolatedNetwork,
        };
        List<CheckResult> checks = prerequisites is null
            ? []
            : [.. await prerequisites.TestPrerequisitesAsync(appliance, request,
                cancellationToken).ConfigureAwait(false)];
        if (appliance is not null)
            checks.Add(await FirmwareStateCheck.ExecuteAsync(hypervisor.Hypervisor, appliance,
                cancellationToken).ConfigureAwait(false));
        if (Quiet)
        {
            _verdict.Add(checks.All(c => c.Result != CheckOutcome.Failed));
            return;
        }
        List<CheckResult> named = [.. checks.Select(c => c with
        {
            Hypervisor = hypervisor.Name,
            ApplianceName = c.ApplianceId is null ? null : appliance?.Name,
        })];
        if (Detailed)
        {
            EmitAll(named);
            return;
        }
        EmitAll([.. named.Where(c => c.Result != CheckOutcome.Passed)]);
        EmitAll(CheckSummary.Of(named.Where(c => c.Result == CheckOutcome.Passed), _ => "Prerequisites",
            perAppliance: false));
    }
}
