using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Network;

namespace Natalia.Backup.Engine.Storage.Folders;

/// <summary>Finds out what disk or share a folder lies on.</summary>
public static class FolderPlacement
{
    // File systems of Linux and macOS whose bytes lie on another machine.
    private static readonly string[] s_networkTypes = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "smb2", "9p", "ceph",
        "glusterfs", "lustre", "afpfs", "webdav", "davfs", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone"];

    /// <summary>Looks. Asks no name server.</summary>
    /// <param name="folder">The folder, a full path. It must be there.</param>
    /// <exception cref="NataliaException">What a folder's store throws when it cannot be looked at.</exception>
    public static StorePlacement Find(string folder)
    {
        try { return Look(folder); }
        catch (Exception error) when (FolderErrors.IsFileSystem(error))
        {
            throw FolderErrors.Translate(error, folder, writing: false);
        }
    }

    private static StorePlacement Look(string root)
    {
        if (NativeFiles.IsWindows)
        {
            root = WindowsPath.ForPeople(root);
            if (root.StartsWith(@"\\", StringComparison.Ordinal))
                return new StorePlacement
                {
                    HostName = UncHost(root),
                    IsThisMachine = ThisMachine.Is(UncHost(root)),
                    FreeBytes = FreeSpace.Find(root)
                };
            var drive = new DriveInfo(root);
            // A mapped drive is on another machine; which one is not needed to say that it is off this one.
            return new StorePlacement
            {
                IsThisMachine = drive.DriveType != DriveType.Network,
                FreeBytes = FreeSpace.Find(root),
                FileSystem = drive.DriveFormat,
            };
        }
        (string type, string? source) = MountOf(root);
        bool network = s_networkTypes.Contains(type, StringComparer.OrdinalIgnoreCase);
        string? host = network ? MountHost(source) : null;
        return new StorePlacement
        {
            HostName = host,
            IsThisMachine = type.Length == 0 ? null : !network || (host is not null && ThisMachine.Is(host)),
            FreeBytes = FreeSpace.Find(root),
            FileSystem = type.Length == 0 ? null : type,
        };
    }

    // The deepest mount point that holds the folder, by the kernel's list; empty where there is no such list.
    private static (string Type, string? Source) MountOf(string root)
    {
        const string list = "/proc/self/mounts";
        if (!File.Exists(list)) return ("", null);
        (string Point, string Type, string Source) best = ("", "", "");
        foreach (string line in File.ReadAllLines(list))
        {
            string[] fields = line.Split(' ');
            if (fields.Length < 3) continue;
            string point = fields[1].Replace("\\040", " ").Replace("\\011", "\t").Replace("\\134", "\\");
            bool holds = point == "/" || root == point || root.StartsWith(point + "/", StringComparison.Ordinal);
            // Of two mounts on one point, the later one is what is seen.
            if (holds && point.Length >= best.Point.Length) best = (point, fields[2], fields[0]);
        }
        return (best.Type, best.Source);
    }

    private static string? MountHost(string? source)
    {
        if (string.IsNullOrEmpty(source)) return null;
        string rest = source!.TrimStart('/');
        if (rest.StartsWith("[", StringComparison.Ordinal)) return rest.Substring(1).Split(']')[0];
        string host = rest.Split('/')[0].Split(':')[0];
        int at = host.LastIndexOf('@');
        return at < 0 ? host : host.Substring(at + 1);
    }

    private static string UncHost(string root) =>
        root.Split('\\').First(s => s.Length > 0);
}
