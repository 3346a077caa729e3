using System.Diagnostics;
using System.Management.Automation;
using System.Text.RegularExpressions;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Examples;

namespace Natalia.Backup.Module.Tests.RealVM;

/// <summary>
/// The restore test with nothing simulated: a Debian appliance with PostgreSQL is backed up, restored into VMs of QEMU
/// that nothing can leave, booted and checked by programs that do real work; and so are copies of it of which one thing
/// each is wrong. Two are tested at once.
/// </summary>
[Trait("Category", "RealVM")]
public sealed class RestoreTestOnQemuTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    private const int Page = 8192, Sector = 4096;

    /// <summary>Where the file system of the system disk begins.</summary>
    private const string SystemFiles = "?offset=1048576";

    [ApplianceFact]
    public void Each_appliance_passes_or_fails_by_what_is_wrong_with_it()
    {
        string vms = module.NewFolder(), bench = module.NewFolder(), store = module.NewFolder();
        string healthy = Path.Combine(vms, "natalia-nice");
        long count = TestAppliance.Make(healthy).CdrCount;
        string cut = Copy(healthy, "natalia-cut"), damaged = Copy(healthy, "natalia-damaged"),
            silent = Copy(healthy, "natalia-silent");
        CutAuditLog(Path.Combine(cut, "data.raw"), store);
        Damage(Path.Combine(damaged, "data.raw"));
        StartByUefi(damaged);
        File.WriteAllBytes(Path.Combine(silent, "system.raw"), new byte[16 << 20]);
        string hostKey = AllowKey(Path.Combine(cut, "system.raw"), store);
        // Of what the baseline says 0.4 % are missing, or 0.6 %: the one is within the tolerance.
        long near = (long)Math.Floor(count / 0.996), far = (long)Math.Ceiling(count / 0.994);
        module.Run("""
            $vms, $bench, $store, $near, $far = $args
            $null = Connect-NataliaHypervisor -Folder $vms -Name exports
            $null = Connect-NataliaHypervisor -Qemu $bench -Name bench
            $null = New-NataliaRepository -Name local -Path (Join-Path $store repository) -Unencrypted
            foreach ($name in 'nice', 'cut', 'damaged', 'silent') {
                Set-NataliaAppliance "natalia-$name" -Repository local -TestBench bench -SystemImage (Join-Path $vms "natalia-$name" system.raw)
                $null = Invoke-NataliaBackup "natalia-$name" -CdrBaseline $(if ($name -eq 'cut') { $far } else { $near })
            }
            Set-NataliaAppliance natalia-silent -BootTimeoutMinutes 1
            Set-NataliaAppliance natalia-cut -SshKeyFile (Join-Path $store key)
            function global:Get-Secret { [pscredential]::new('root', (ConvertTo-SecureString 'of the key' -AsPlainText -Force)) }
            """, vms, bench, store, near, far).ThrowIfFailed();
        // As help shows it, for this appliance and its key; its second line is the test below.
        Example example = ExampleCorpus.Get("Test-NataliaRestore example 4");
        module.Run(example.Code.Split('\n')[0].Replace("natalia-paris", "natalia-cut", StringComparison.Ordinal)
            .Replace("SHA256:uNiVztksCsDhcc0u9e8BrrM1gHKyhsJ4mzGTbHs3WeY", $"'{hostKey}'",
                StringComparison.Ordinal))
            .ThrowIfFailed();
        ScriptResult tested = module.Run("""
            $degraded = {
                $mark = $_.ReadFile('/run/natalia/degraded').Trim()
                $asked = $_.Run('/usr/bin/systemctl', 'is-active', 'natalia-mcp.socket', 'natalia-collector')
                $services = @($asked.Output.Trim() -split '\s+')
                [pscustomobject] @{
                    Result = if ($mark -and -not ($services -ne 'inactive')) { 'Passed' } else { 'Failed' }
                    Actual = "$mark $services"
                }
            }
            $firmware = {
                $isUefi = $_.Run('/usr/bin/test', '-d', '/sys/firmware/efi').ExitCode -eq 0
                [pscustomobject] @{ Result = 'Passed'; Actual = if ($isUefi) { 'UEFI' } else { 'BIOS' } }
            }
            'nice', 'cut', 'damaged', 'silent' | ForEach-Object { "natalia-$_" } |
                Test-NataliaRestore -ThrottleLimit 2 -Check @{ Degraded = $degraded; Firmware = $firmware }
            """);
        Dictionary<string, PSObject> tests = tested.Output.ToDictionary(
            t => (string)t!.Properties["ApplianceName"].Value, t => t!);

        Assert.Equal("", Failed(tests["natalia-nice"]));
        Assert.Equal("Passed", $"{tests["natalia-nice"].Properties["Result"].Value}");
        Assert.Equal("AuditLog CdrCount", Failed(tests["natalia-cut"]));
        Assert.Contains("its end is cut off", Detail(tests["natalia-cut"], "AuditLog"), StringComparison.Ordinal);
        Assert.Contains("restricted", Detail(tests["natalia-cut"], "Isolation"), StringComparison.Ordinal);
        Assert.Contains("restore-test", Detail(tests["natalia-cut"], "Boot"), StringComparison.Ordinal);
        Assert.Equal("Integrity AuditLog", Failed(tests["natalia-damaged"]));
        Assert.Equal("Boot", Failed(tests["natalia-silent"]));
        foreach ((string name, string firmware) in
            new[] { ("natalia-nice", "BIOS"), ("natalia-cut", "BIOS"), ("natalia-damaged", "UEFI") })
        {
            // No exchange, no MCP; of both marks the guest names the one that it looks for last.
            Assert.Equal("SMBIOS inactive inactive", Actual(tests[name], "Degraded"));
            Assert.Equal(firmware, Actual(tests[name], "Firmware"));
        }
        Assert.Equal(3, tested.ErrorIds.Count(e => e.StartsWith("RestoreTestFailed,", StringComparison.Ordinal)));
        Assert.Equal(3, tested.ErrorIds.Count);
        Assert.Equal(4, module.Run("Get-NataliaRestoreTest").ThrowIfFailed().Output.Count);
        Assert.DoesNotContain(Directory.EnumerateFiles(bench, "*.*", SearchOption.AllDirectories),
            f => Path.GetExtension(f) is ".raw" or ".qcow2" or ".img");
    }

    /// <summary>The names of the checks that failed, in their order.</summary>
    private static string Failed(PSObject test) => string.Join(" ",
        Checks(test).Where(c => $"{c.Properties["Result"].Value}" == "Failed").Select(c => c.Properties["Name"].Value));

    private static string Detail(PSObject test, string check) => Text(test, check, "Detail");

    private static string Actual(PSObject test, string check) => Text(test, check, "Actual");

    private static string Text(PSObject test, string check, string property) =>
        (string)Checks(test).Single(c => (string)c.Properties["Name"].Value == check).Properties[property].Value;

    private static IEnumerable<PSObject> Checks(PSObject test) =>
        ((System.Collections.IEnumerable)test.Properties["Checks"].Value).Cast<object>().Select(PSObject.AsPSObject);

    /// <summary>A VM of its own beside the first one.</summary>
    private static string Copy(string appliance, string name)
    {
        string copy = Path.Combine(Path.GetDirectoryName(appliance)!, name);
        string description = Path.Combine(copy, "vm.json");
        Run("cp", "-r", "--sparse=always", "--reflink=auto", appliance, copy);
        string text = new Regex("\"id\": \"[^\"]+\"").Replace(File.ReadAllText(description),
            $"\"id\": \"{Guid.NewGuid()}\"", 1);
        File.WriteAllText(description, text.Replace("natalia-nice", name, StringComparison.Ordinal));
        return copy;
    }

    /// <summary>Its configuration says so from now on; its system disk starts by either.</summary>
    private static void StartByUefi(string appliance)
    {
        string description = Path.Combine(appliance, "vm.json");
        File.WriteAllText(description, File.ReadAllText(description).Replace("\"processorCount\"",
            "\"firmware\": \"uefi\",\n  \"processorCount\"", StringComparison.Ordinal));
    }

    /// <summary>Cuts the last records off the audit log; its head is left, and still names the last one.</summary>
    private static void CutAuditLog(string image, string work)
    {
        string file = Path.Combine(work, "audit.log");
        Debugfs(image, false, $"dump /audit/audit.log {file}");
        File.WriteAllLines(file, File.ReadAllLines(file)[..^10]);
        Debugfs(image, true, "rm /audit/audit.log");
        Debugfs(image, true, $"write {file} /audit/audit.log");
    }

    /// <summary>Lets root in over SSH with a key of its own; the result is the key of the server.</summary>
    private static string AllowKey(string image, string work)
    {
        string key = Path.Combine(work, "key");
        Run("ssh-keygen", "-q", "-t", "ed25519", "-N", "of the key", "-C", "test", "-f", key);
        Debugfs(image + SystemFiles, true, "mkdir /root/.ssh");
        Debugfs(image + SystemFiles, true, $"write {key}.pub /root/.ssh/authorized_keys");
        return Debugfs(image + SystemFiles, false, "cat /etc/ssh/ssh_host_ed25519_key.pub").Trim();
    }

    private static string Debugfs(string image, bool writes, string command) => writes
        ? Run("/sbin/debugfs", "-w", "-R", command, image)
        : Run("/sbin/debugfs", "-R", command, image);

    private static string Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program}: {output}{errors.GetAwaiter().GetResult()}");
        return output;
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
