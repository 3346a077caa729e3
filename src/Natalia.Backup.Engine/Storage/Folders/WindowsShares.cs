using System.Runtime.InteropServices;

namespace Natalia.Backup.Engine.Storage.Folders;

/// <summary>Connections to shares by the calls of Windows.</summary>
internal sealed class WindowsShares : INetworkShares
{
    private const int Disk = 1, Temporary = 4;

    public int Add(string share, string user, IntPtr password)
    {
        var resource = new NetResource { Type = Disk, RemoteName = share };
        return WNetAddConnection2(ref resource, password, user, Temporary);
    }

    public int Cancel(string share) => WNetCancelConnection2(share, 0, false);

    [StructLayout(LayoutKind.Sequential, CharSet = CharSet.Unicode)]
    private struct NetResource
    {
        public int Scope, Type, DisplayType, Usage;
        [MarshalAs(UnmanagedType.LPWStr)] public string? LocalName;
        [MarshalAs(UnmanagedType.LPWStr)] public string? RemoteName;
        [MarshalAs(UnmanagedType.LPWStr)] public string? Comment;
        [MarshalAs(UnmanagedType.LPWStr)] public string? Provider;
    }

#pragma warning disable SYSLIB1054 // LibraryImport is not in netstandard2.0.
    [DllImport("mpr", EntryPoint = "WNetAddConnection2W", CharSet = CharSet.Unicode, ExactSpelling = true)]
    private static extern int WNetAddConnection2(ref NetResource resource, IntPtr password, string user, int flags);

    [DllImport("mpr", EntryPoint = "WNetCancelConnection2W", CharSet = CharSet.Unicode, ExactSpelling = true)]
    private static extern int WNetCancelConnection2(string name, int flags, [MarshalAs(UnmanagedType.Bool)] bool force);
#pragma warning restore SYSLIB1054
}
