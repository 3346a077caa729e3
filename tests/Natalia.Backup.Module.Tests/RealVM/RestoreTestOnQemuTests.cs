using System.Diagnostics;
using System.Globalization;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.RealVM;

/// <summary>
/// The restore test with nothing simulated: a Debian appliance with PostgreSQL is backed up, restored into a VM of QEMU
/// without a network, booted and checked by programs that do real work, damaged, and tested again.
/// </summary>
[Trait("Category", "RealVM")]
public sealed class RestoreTestOnQemuTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    private const int Page = 8192, Sector = 4096;

    [ApplianceFact]
    public void A_healthy_appliance_passes_and_a_flipped_page_and_a_changed_audit_record_are_found()
    {
        string vms = module.NewFolder(), bench = module.NewFolder(), store = module.NewFolder(),
            appliance = Path.Combine(vms, "natalia-nice");
        string count = MakeAppliance(appliance);
        module.Run("""
            $null = Connect-NataliaHypervisor -Folder $args[0] -Name exports
            $null = Connect-NataliaHypervisor -Qemu $args[1] -Name bench
            $null = New-NataliaRepository -Name local -Path (Join-Path $args[2] repository) -Unencrypted
            Set-NataliaAppliance natalia-nice -Repository local -TestBench bench -SystemImage $args[3]
            """, vms, bench, store, Path.Combine(appliance, "system.raw")).ThrowIfFailed();
        long baseline = long.Parse(count, CultureInfo.InvariantCulture);
        ScriptResult healthy = Test(baseline);

        Assert.Equal("Passed", healthy.Value("Result")!.ToString());
        Assert.Empty(healthy.ErrorIds);

        Damage(Path.Combine(appliance, "data.raw"));
        ScriptResult damaged = Test(baseline);
        Assert.Equal("Failed", damaged.Value("Result")!.ToString());
        Assert.StartsWith("RestoreTestFailed,", Assert.Single(damaged.ErrorIds), StringComparison.Ordinal);
        Assert.Equal(["Integrity", "AuditLog"], module.Run(
            "(Get-NataliaRestoreTest | Select-Object -First 1).Checks.Where({ $_.Name -in 'Integrity', 'AuditLog' -and "
            + "$_.Result -eq 'Failed' }).Name").ThrowIfFailed().Text);

        File.WriteAllBytes(Path.Combine(store, "empty.raw"), new byte[16 << 20]);
        ScriptResult silent = module.Run("Test-NataliaRestore natalia-nice -SystemImage $args[0] -BootTimeoutMinutes 1",
            Path.Combine(store, "empty.raw"));
        Assert.Equal("Failed", silent.Value("Result")!.ToString());
        Assert.StartsWith("Boot: ", (string)silent.Value("Reason")!, StringComparison.Ordinal);
        Assert.DoesNotContain(Directory.EnumerateFiles(bench, "*.*", SearchOption.AllDirectories),
            f => Path.GetExtension(f) is ".raw" or ".qcow2" or ".img");
    }

    private ScriptResult Test(long baseline) =>
        module.Run("Invoke-NataliaBackup natalia-nice -CdrBaseline $args[0] | Test-NataliaRestore", baseline);

    private static string MakeAppliance(string folder)
    {
        using Process make = Process.Start(new ProcessStartInfo("bash",
            [Path.Combine(BuildLayout.RepositoryRoot, "tests", "servers", "appliance", "make.sh"), folder])
        {
            RedirectStandardOutput = true,
        })!;
        string output = make.StandardOutput.ReadToEnd();
        make.WaitForExit();
        Assert.True(make.ExitCode == 0, output);
        return output.TrimEnd().Split('\n')[^1];
    }

    /// <summary>Flips a byte of a call record in its page of the database, and one of a record of the audit log.
    /// </summary>
    private static void Damage(string image)
    {
        byte[] disk = File.ReadAllBytes(image);
        int record = disk.AsSpan().IndexOf("an operator looked at call record 2500 "u8);
        Assert.True(record > 0);
        disk[record]++;
        int at = -1;
        for (int page = 0; at < 0 && page + Page <= disk.Length; page += Sector)
        {
            // The size and the version of a page of PostgreSQL, at their place in its head: no page of its log has it.
            if (disk[page + 18] != 4 || disk[page + 19] != 0x20) continue;
            int text = disk.AsSpan(page, Page).IndexOf("exchange-2"u8);
            if (text >= 0) at = page + text;
        }
        Assert.True(at > 0);
        disk[at]++;
        File.WriteAllBytes(image, disk);
    }
}
