using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Appliances;

/// <summary>Puts together what the user sees of an appliance.</summary>
internal static class ApplianceView
{
    /// <summary>A VM, with what a repository keeps about it.</summary>
    internal static Appliance Create(LocatedAppliance located, Enrolment? enrolment)
    {
        ApplianceDescription description = located.Description;
        return new Appliance
        {
            ApplianceId = enrolment?.Settings.ApplianceId ?? description.ApplianceId,
            SuccessorId = enrolment?.Settings.SuccessorId,
            Name = description.Name,
            HypervisorKind = description.HypervisorKind,
            Hypervisor = located.Hypervisor.Name,
            Repository = enrolment?.Repository.Name,
            ProcessorCount = description.ProcessorCount,
            MemoryBytes = description.MemoryBytes,
            Networks = [.. description.Networks],
            Disks = [.. description.Disks],
            DataDisk = DataDiskRule.TryChoose(description, enrolment?.Settings.DataDiskId)?.DiskId
                ?? enrolment?.Settings.DataDiskId,
            // A hypervisor that protects by itself takes a whole VM unless it is told otherwise.
            IncludeSystemDisk = enrolment?.Settings.IncludeSystemDisk
                ?? located.Hypervisor.Hypervisor.Find<INativeProtection>() is not null,
            OnQuiesceFailure = enrolment?.Settings.OnQuiesceFailure ?? default,
            Strategy = enrolment?.Settings.Strategy,
            NeverQuiesce = enrolment?.Settings.NeverQuiesce ?? false,
            RestoreTest = enrolment?.Settings.RestoreTest,
            NativeId = description.NativeId,
            VMHost = description.State?.VMHost,
            State = description.State?.Power,
            GuestAgent = description.State?.GuestAgent ?? GuestAgentState.Unknown,
            HighAvailability = description.State?.HighAvailability,
            Generation = description.State?.Generation,
            IntegrationServices = [.. description.State?.IntegrationServices ?? []],
            Replication = description.State?.Replication,
            MergeState = description.State?.MergeState ?? MergeState.Unknown,
        };
    }

    /// <summary>An enrolled appliance that no connected hypervisor shows.</summary>
    internal static Appliance Create(Enrolment enrolment) => new()
    {
        ApplianceId = enrolment.Settings.ApplianceId,
        SuccessorId = enrolment.Settings.SuccessorId,
        Name = enrolment.Settings.Name,
        HypervisorKind = enrolment.Settings.HypervisorKind,
        Repository = enrolment.Repository.Name,
        DataDisk = enrolment.Settings.DataDiskId,
        IncludeSystemDisk = enrolment.Settings.IncludeSystemDisk,
        OnQuiesceFailure = enrolment.Settings.OnQuiesceFailure,
        Strategy = enrolment.Settings.Strategy,
        NeverQuiesce = enrolment.Settings.NeverQuiesce,
        RestoreTest = enrolment.Settings.RestoreTest,
    };
}
