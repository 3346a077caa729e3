namespace Natalia.Backup.Testing.Examples;

/// <summary>Who runs an example: which tests, against what.</summary>
public enum ExampleRunner
{
    /// <summary>Nobody: it is parsed and bound. <see cref="ExampleRunners.NotRun"/> has the reason.</summary>
    None,
    /// <summary>A site of folders in the real pwsh (RunExamples.ps1).</summary>
    Site,
    /// <summary>The same site, with buckets of a real Ceph gateway (RunExamples.ps1).</summary>
    Bucket,
    /// <summary>Real VMs of QEMU, with a small guest (BenchExampleTests).</summary>
    Qemu,
    /// <summary>A simulated Proxmox VE cluster that is connected (ClusterExampleTests).</summary>
    Cluster,
    /// <summary>A simulated Proxmox VE cluster and its backup server that the example connects itself
    /// (ProxmoxExampleTests).</summary>
    Proxmox,
    /// <summary>Simulated Hyper-V hosts and a stand-in of Windows' Task Scheduler (HyperVExampleTests).</summary>
    HyperV,
    /// <summary>A simulated vCenter (VMwareExampleTests).</summary>
    VMware,
}
