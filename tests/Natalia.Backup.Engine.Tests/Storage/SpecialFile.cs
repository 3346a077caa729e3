using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Natalia.Backup.Engine.Tests.Storage;

/// <summary>What can stand under an object's name and is none.</summary>
public enum SpecialFile
{
    Pipe,
    Socket,
    EndlessDevice,
    Folder,
    Link,
    DanglingLink,
    Tebibyte,
}

internal static class SpecialFiles
{
    /// <summary>Puts one in the place of a file.</summary>
    /// <returns>False where this system or this user cannot make one.</returns>
    internal static bool TryMake(string path, SpecialFile kind)
    {
        const uint Pipe = 0x1000, CharacterDevice = 0x2000, Socket = 0xC000, OwnerOnly = 0x180;
        const int ZeroDevice = 0x105; // /dev/zero
        File.Delete(path);
        switch (kind)
        {
            case SpecialFile.Pipe: return Make(path, Pipe | OwnerOnly, 0);
            case SpecialFile.Socket: return Make(path, Socket | OwnerOnly, 0);
            case SpecialFile.EndlessDevice: return Make(path, CharacterDevice | OwnerOnly, ZeroDevice);
            case SpecialFile.Folder:
                Directory.CreateDirectory(path);
                return true;
            case SpecialFile.Link: return symlink("/etc/hostname", path) == 0;
            case SpecialFile.DanglingLink: return symlink("/nowhere/at/all", path) == 0;
            default:
                using (var file = new FileStream(path, FileMode.CreateNew)) file.SetLength(1L << 40);
                return true;
        }
    }

    private static bool Make(string path, uint mode, int device)
    {
        const int NotPermitted = 1;
        if (mknod(path, mode, (UIntPtr)(uint)device) == 0) return true;
        int code = Marshal.GetLastWin32Error();
        return code == NotPermitted ? false : throw new Win32Exception(code);
    }

    [DllImport("libc", SetLastError = true)]
    private static extern int mknod([MarshalAs(UnmanagedType.LPStr)] string path, uint mode, UIntPtr device);

    [DllImport("libc", SetLastError = true)]
    private static extern int symlink([MarshalAs(UnmanagedType.LPStr)] string target,
        [MarshalAs(UnmanagedType.LPStr)] string path);
}
