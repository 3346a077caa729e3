using System.Diagnostics;

namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>
/// What is real below a simulated cluster: a folder with an image for each volume and with those that archives and
/// snapshots hold, and VMs of QEMU. A VM with a BIOS whose disks are all here is carried by a real one when it is on;
/// of all others the cluster's tables tell.
/// </summary>
/// <param name="folder">Where the images lie; it is made, and gone with this.</param>
internal sealed class RealHost(string folder) : IDisposable
{
    private readonly List<RealMachine> _machines = [];

    /// <summary>The VMs that were started and not ended.</summary>
    internal IReadOnlyList<RealMachine> Machines => _machines;

    /// <summary>The names of the volumes that there are images of.</summary>
    internal IEnumerable<string> Volumes => Directory.Exists(Path.Combine(folder, "volumes"))
        ? Directory.EnumerateFiles(Path.Combine(folder, "volumes")).Select(f => Uri.UnescapeDataString(
            Path.GetFileName(f)))
        : [];

    /// <summary>The image of a volume, which need not be there.</summary>
    internal string Volume(string volume) => In("volumes", volume);

    /// <summary>The folder of what an archive or a snapshot holds.</summary>
    internal string Kept(string name) => In("kept", name);

    /// <summary>The images of a VM's disks, by the disk's key; null where not all of them are here.</summary>
    internal Dictionary<string, string>? ImagesOf(SimulatedGuest guest)
    {
        if (guest.Config.GetValueOrDefault("bios") == "ovmf") return null;
        var images = guest.Config.Where(c => SimulatedCluster.IsDisk(c.Key) && !c.Value.Contains("media=cdrom"))
            .ToDictionary(c => c.Key, c => Volume(c.Value.Split(',')[0]));
        return images.Count > 0 && images.Values.All(File.Exists) ? images : null;
    }

    internal RealMachine Start(SimulatedGuest guest, Func<string, bool> hasPorts)
    {
        var machine = new RealMachine(guest.Config, ImagesOf(guest)!, hasPorts);
        _machines.Add(machine);
        return machine;
    }

    internal void End(RealMachine machine)
    {
        _machines.Remove(machine);
        machine.Dispose();
    }

    /// <summary>Copies images, holes as holes. Each is there whole or not at all.</summary>
    internal static void Copy(IReadOnlyDictionary<string, string> sources, IReadOnlyDictionary<string, string> targets)
    {
        foreach ((string disk, string target) in targets)
        {
            using var copy = Process.Start("cp", ["--sparse=always", "--reflink=auto", sources[disk], target + ".new"]);
            copy.WaitForExit();
            if (copy.ExitCode != 0) throw new IOException($"'{sources[disk]}' cannot be copied.");
            File.Move(target + ".new", target, overwrite: true);
        }
    }

    /// <summary>The images that a folder of kept ones has room for, by the disk's key; it is made anew.</summary>
    internal Dictionary<string, string> MakeKept(string name, IEnumerable<string> disks)
    {
        RemoveKept(name);
        string into = Directory.CreateDirectory(Kept(name)).FullName;
        return disks.ToDictionary(d => d, d => Path.Combine(into, d));
    }

    /// <summary>The images that are kept under a name, by the disk's key; null where there is nothing.</summary>
    internal Dictionary<string, string>? FindKept(string name) => Directory.Exists(Kept(name))
        ? Directory.EnumerateFiles(Kept(name)).ToDictionary(f => Path.GetFileName(f), f => f)
        : null;

    internal void RemoveKept(string name)
    {
        if (Directory.Exists(Kept(name))) Directory.Delete(Kept(name), recursive: true);
    }

    public void Dispose()
    {
        foreach (RealMachine machine in _machines) machine.Dispose();
        _machines.Clear();
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
    }

    private string In(string kind, string name)
    {
        string under = Directory.CreateDirectory(Path.Combine(folder, kind)).FullName;
        return Path.Combine(under, Uri.EscapeDataString(name));
    }
}
