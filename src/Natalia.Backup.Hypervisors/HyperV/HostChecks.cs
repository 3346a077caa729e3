using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV;

/// <summary>
/// Whether a host answers, lets this user ask, and has started the services that a backup calls. Changes nothing.
/// </summary>
internal static class HostChecks
{
    /// <summary>What is called of a host, and what people call it. All of them are parts of vmms.</summary>
    private static readonly (string ClassName, string Name)[] s_services =
    [
        ("Msvm_VirtualSystemManagementService", "management of VMs (vmms)"),
        ("Msvm_VirtualSystemSnapshotService", "checkpoints"),
        ("Msvm_VirtualSystemReferencePointService", "reference points"),
        ("Msvm_ImageManagementService", "disk images"),
    ];

    internal static async Task<IReadOnlyList<CheckResult>> ReadAsync(HyperVHost host,
        CancellationToken cancellationToken)
    {
        var checks = new CheckList();
        (IReadOnlyList<CimRow> systems, NataliaException? trouble) = await ListAsync("Msvm_ComputerSystem")
            .ConfigureAwait(false);
        bool isDenied = trouble?.ErrorId == ErrorIds.PermissionDenied;
        bool answers = trouble is null || isDenied;
        checks.Add("VMHost", host.Name, answers ? CheckOutcome.Passed : CheckOutcome.Failed, "answers",
            answers ? "answers" : "does not answer", answers ? null : trouble!.Message, trouble?.ErrorId);
        if (!answers) return checks.All;
        CheckRights();
        if (isDenied) return checks.All;
        foreach ((string className, string name) in s_services)
            await CheckServiceAsync(className, $"{name} on {host.Name}").ConfigureAwait(false);
        return checks.All;

        void CheckRights()
        {
            if (isDenied)
                checks.Add("Rights", host.Name, CheckOutcome.Failed, "may list VMs", "denied",
                    $"{trouble!.Message} {trouble.RecommendedAction}", trouble.ErrorId);
            // The host itself is one of the objects.
            else if (systems.Count == 0)
                checks.Add("Rights", host.Name, CheckOutcome.NotEvidenced, "may list VMs", "is shown nothing",
                    "The host lists not even itself: it may hide from this user what it does not refuse. See that "
                        + "the user is in the host's group Hyper-V Administrators; on the host itself, run PowerShell "
                        + "elevated.");
            else
                checks.Add("Rights", host.Name, CheckOutcome.Passed, "may list VMs", "may list VMs",
                    "Whether this user may also make checkpoints and change VMs there is not asked, because only "
                        + "doing it tells: the group Hyper-V Administrators may.");
        }

        async Task CheckServiceAsync(string className, string target)
        {
            (IReadOnlyList<CimRow> found, NataliaException? missing) = await ListAsync(className)
                .ConfigureAwait(false);
            bool? isStarted = found.FirstOrDefault()?.Flag("Started");
            if (found.Count == 0)
                checks.Add("Service", target, CheckOutcome.Failed, "started", "not there",
                    missing is null ? $"The host has no {className}. See that its service vmms runs."
                        : $"{missing.Message} {missing.RecommendedAction}",
                    missing?.ErrorId ?? ErrorIds.HypervisorNotFound);
            else if (isStarted is null)
                checks.Add("Service", target, CheckOutcome.NotEvidenced, "started", "not told",
                    "It is there, and the host does not say whether it is started.");
            else
                checks.Add("Service", target, isStarted.Value ? CheckOutcome.Passed : CheckOutcome.Failed, "started",
                    isStarted.Value ? "started" : "not started",
                    isStarted.Value ? null : "See that the host's service vmms runs (Get-Service vmms).",
                    ErrorIds.HypervisorNotFound);
        }

        async Task<(IReadOnlyList<CimRow> Rows, NataliaException? Trouble)> ListAsync(string className)
        {
            try
            {
                return (await host.QueryAsync(Wql.All(className), cancellationToken).ConfigureAwait(false), null);
            }
            catch (NataliaException e)
            {
                return ([], e);
            }
        }
    }
}
