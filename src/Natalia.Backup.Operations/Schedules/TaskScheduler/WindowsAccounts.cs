using System.Runtime.InteropServices;
using System.Text;

namespace Natalia.Backup.Operations.Schedules.TaskScheduler;

/// <summary>Accounts as Windows knows them. Any thread.</summary>
internal static class WindowsAccounts
{
    /// <summary>SECURITY_MAX_SID_SIZE of winnt.h.</summary>
    private const int LongestSid = 68;

    /// <summary>The longest name of a domain that is asked for, in characters; DNS allows 255.</summary>
    private const int LongestDomain = 256;

    /// <summary>The id of an account: S-1-5-18 of SYSTEM.</summary>
    /// <param name="account"><c>DOMAIN\name</c>, <c>name@domain</c>, or an id, which is given back.</param>
    /// <returns>The id; null when nobody knows the account now, as when no domain controller answers.</returns>
    internal static string? SidOf(string account)
    {
        if (account.StartsWith("S-1-", StringComparison.OrdinalIgnoreCase)) return account.ToUpperInvariant();
        if (!RuntimeInformation.IsOSPlatform(OSPlatform.Windows)) return null;
        byte[] sid = new byte[LongestSid];
        int size = sid.Length, length = LongestDomain;
        if (!LookupAccountName(null, account, sid, ref size, new StringBuilder(length), ref length, out _)
            || !ConvertSidToStringSid(sid, out nint text)) return null;
        try
        {
            return Marshal.PtrToStringUni(text);
        }
        finally
        {
            LocalFree(text);
        }
    }

#pragma warning disable SYSLIB1054, CA1838 // LibraryImport is not in netstandard2.0; called a few times a run.
    [DllImport("advapi32", EntryPoint = "LookupAccountNameW", CharSet = CharSet.Unicode, ExactSpelling = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool LookupAccountName(string? system, string account, byte[] sid, ref int size,
        StringBuilder domain, ref int length, out int use);

    [DllImport("advapi32", EntryPoint = "ConvertSidToStringSidW", ExactSpelling = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool ConvertSidToStringSid(byte[] sid, out nint text);

    [DllImport("kernel32", ExactSpelling = true)]
    private static extern nint LocalFree(nint memory);
#pragma warning restore SYSLIB1054, CA1838
}
