using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// The folders of the VMs that this hypervisor makes. One that is being made or removed has a name with a point before
/// it, which no inventory lists; what it is, its description tells.
/// </summary>
/// <param name="location">The connected folder.</param>
internal sealed class MachineFolders(string location)
{
    private const string HiddenPrefix = ".natalia-";

    /// <summary>Every VM whose description can be read, hidden or not.</summary>
    internal IReadOnlyList<Machine> GetAll() => [.. Folders().Select(Machine.Find).OfType<Machine>()];

    /// <summary>The VM with an id; null when there is none.</summary>
    internal Machine? Find(string nativeId) => GetAll().FirstOrDefault(m => m.Id == nativeId);

    /// <summary>A folder for a new VM, before it gets its name.</summary>
    internal string NewHidden(string id) => Path.Combine(location, HiddenPrefix + id);

    /// <summary>The folder of a VM with this name.</summary>
    internal string Named(string name) => Path.Combine(location, FileNameOf(name));

    /// <summary>
    /// Removes a VM's folder. From the first step on no inventory lists it; its description goes last, so that after a
    /// death it is found again and removed.
    /// </summary>
    internal void Remove(Machine machine, HostCalls calls)
    {
        string folder = machine.Folder;
        if (!Path.GetFileName(folder).StartsWith(HiddenPrefix, StringComparison.Ordinal))
        {
            string hidden = Path.Combine(location, HiddenPrefix + "gone-" + Guid.NewGuid().ToString("N"));
            calls.Make("hide", () => Directory.Move(folder, hidden));
            folder = hidden;
        }
        calls.Make("delete disks", () =>
        {
            foreach (string entry in Directory.EnumerateFileSystemEntries(folder).ToList())
            {
                if (Path.GetFileName(entry) == "vm.json") continue;
                // A folder that somebody put there is not ours to look into; a link is removed and not followed.
                if (Directory.Exists(entry) && (File.GetAttributes(entry) & FileAttributes.ReparsePoint) == 0)
                    Directory.Delete(entry, recursive: true);
                else File.Delete(entry);
            }
        });
        calls.Make("delete vm", () => Directory.Delete(folder, recursive: true));
    }

    /// <summary>What a death between making a folder and its description leaves: nothing is in it.</summary>
    internal void SweepEmpty()
    {
        foreach (string folder in Folders())
        {
            if (!Path.GetFileName(folder).StartsWith(HiddenPrefix, StringComparison.Ordinal)) continue;
            try
            {
                if (!Directory.EnumerateFileSystemEntries(folder).Any()) Directory.Delete(folder, recursive: false);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Somebody is at it at this moment; it is no VM in any case.
            }
        }
    }

    /// <summary>A name that every file system takes, and that leads nowhere else.</summary>
    internal static string FileNameOf(string name)
    {
        string plain = new([.. name.Select(c => char.IsLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '_')]);
        plain = plain.Trim('.', ' ');
        if (plain.Length > 60) plain = plain.Substring(0, 60);
        return plain.Length == 0 ? "vm" : plain;
    }

    private IEnumerable<string> Folders()
    {
        if (!Directory.Exists(location)) return [];
        // A link leads to somebody else's folder.
        return [.. new DirectoryInfo(location).GetDirectories()
            .Where(d => (d.Attributes & FileAttributes.ReparsePoint) == 0)
            .Select(d => d.FullName).OrderBy(p => p, RealPath.Comparer)];
    }
}
