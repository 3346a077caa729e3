using Natalia.Backup.Operations.Schedules.TaskScheduler;

namespace Natalia.Backup.Cmdlets.Tests.Schedules;

/// <summary>Runs under Wine as well, which has no domain.</summary>
public sealed class WindowsAccountsTests
{
    [Theory]
    [InlineData("s-1-5-18", "S-1-5-18", "S-1-5-18")]
    [InlineData(@"NT AUTHORITY\SYSTEM", "S-1-5-18", null)]
    [InlineData(@"NT AUTHORITY\LOCAL SERVICE", "S-1-5-19", null)]
    [InlineData(@"NODOMAIN\nobody-of-this-name", null, null)]
    public void The_id_of_an_account_is_found_by_its_name(string account, string? onWindows, string? elsewhere) =>
        Assert.Equal(OperatingSystem.IsWindows() ? onWindows : elsewhere, WindowsAccounts.SidOf(account));
}
