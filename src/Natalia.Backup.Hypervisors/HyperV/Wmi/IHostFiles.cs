namespace Natalia.Backup.Hypervisors.HyperV.Wmi;

/// <summary>The files of a Hyper-V host, seen from where this runs. Any thread.</summary>
internal interface IHostFiles
{
    /// <summary>
    /// Where a file of the host is found from here: the same path on the host itself, the administrative share from
    /// elsewhere; a UNC path stays what it is.
    /// </summary>
    /// <param name="hostPath">The path as the host has it: <c>D:\VMs\disk.vhdx</c>.</param>
    string ToLocal(string hostPath);
}
