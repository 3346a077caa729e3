using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Examples;

namespace Natalia.Backup.Module.Tests.RealVM;

/// <summary>
/// Examples of help and documents that restore an appliance to QEMU or test it there, each typed into a session of its
/// own: real VMs, of a small guest that boots in seconds, with an agent and a natalia-cli that reads its data disk.
/// </summary>
[Trait("Category", "RealVM")]
public sealed class BenchExampleTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    private readonly string _root = module.NewFolder();

    private static IEnumerable<Example> Examples => ExampleCorpus.Of(ExampleRunner.Qemu)
        // What looks at tests that were made comes after them.
        .OrderBy(e => e.Code.Contains("Get-NataliaRestoreTest", StringComparison.Ordinal));

    [BenchGuestFact]
    public void Every_example_of_a_test_bench_runs_as_it_describes()
    {
        Counterpart.Appliance.MustBeThere();
        Assert.InRange(Examples.Count(), 15, 40);
        foreach (string folder in (string[])["vms", "bench", "lab", "work"]) Directory.CreateDirectory(In(folder));
        (int code, string said, string errors) = Counterpart.Qemu.Run(new Dictionary<string, string?>(), "-c",
            $"bash '{BuildLayout.RepositoryRoot}/tests/servers/qemu/bench-guest.sh' '{In("vms/natalia-paris")}'");
        Assert.True(code == 0, errors);
        string count = said.TrimEnd().Split('\n')[^1];
        using (var session = new ModuleSession())
        {
            session.Run("""
                $null = Connect-NataliaHypervisor -Qemu $args[0] -Name vms
                $null = Connect-NataliaHypervisor -Qemu $args[1] -Name bench
                $null = New-NataliaRepository -Name nas -Path $args[2] -Unencrypted
                Set-NataliaAppliance natalia-paris -Repository nas -IncludeSystemDisk -TestBench bench -SystemImage $args[3] -BootTimeoutMinutes 1
                $null = Invoke-NataliaBackup natalia-paris -CdrBaseline $args[4]
                $null = Export-NataliaProfile $args[5]
                """, In("vms"), In("bench"), In("repository"), In("vms/natalia-paris/system.qcow2"), count,
                In("profile.json")).ThrowIfFailed();
        }

        List<string> wrong = [.. Examples.Select(e => (e.Id, Problem: Type(e))).Where(r => r.Problem.Length > 0)
            .Select(r => $"{r.Id}: {r.Problem}")];

        Assert.True(wrong.Count == 0, string.Join(Environment.NewLine, wrong));
    }

    private string In(string name) => Path.Combine(_root, name);

    /// <summary>Types an example into a session in which stands what it takes for granted.</summary>
    /// <returns>What went wrong, or nothing.</returns>
    private string Type(Example example)
    {
        bool imports = Has("Import-NataliaProfile"), tests = Has("Test-NataliaRestore");
        using var session = new ModuleSession();
        using X509Certificate2 certificate = MakeCertificate();
        session.Run("""
            $root, $imports, $connects, $global:certificate = $args
            Set-Location $root/work
            $global:ConfirmPreference = 'None'
            if ($imports) { return }
            $null = Connect-NataliaHypervisor -Qemu $root/vms -Name vms
            $null = Connect-NataliaHypervisor -Qemu $root/lab -Name lab
            if (-not $connects) { $null = Connect-NataliaHypervisor -Qemu $root/bench -Name bench }
            $null = Connect-NataliaRepository -Path $root/repository -Name nas -Unencrypted
            """, _root, imports, Has("Connect-NataliaHypervisor"), certificate).ThrowIfFailed();
        // Places of this machine.
        string code = example.Code.Replace("/srv/natalia/bench", In("bench"), StringComparison.Ordinal)
            .Replace("/srv/bench", In("bench"), StringComparison.Ordinal)
            .Replace("/srv/natalia/system.qcow2", In("vms/natalia-paris/system.qcow2"), StringComparison.Ordinal)
            .Replace(@"C:\ProgramData\natalia.json", In("profile.json"), StringComparison.Ordinal);
        // The lab of the example has a network of the point's name; a network of QEMU is a bridge, of which there is
        // none here.
        if (Has("-Immediate")) code += " -Network @{ voice = 'none' }";
        try
        {
            DateTime begun = DateTime.UtcNow;
            ScriptResult result = session.Run(code);
            string[] proof = [.. session.Run("""
                $code, $root, $tests, $begun, $printed = $args
                if ($tests) {
                    $test = Get-NataliaRestoreTest | Select-Object -First 1
                    if ("$($test.Result)" -ne 'Passed') { "$($test.Result): $($test.Checks | Where-Object Result -ne Passed | Out-String)" }
                    if ($test.StartedUtc -lt $begun) { 'nothing was tested' }
                    if ($code -match 'FromRepository' -and -not $test.IsFromRepository) { 'it did not run from the repository' }
                    if ($code -match 'Licence' -and $test.Checks.Name -notcontains 'Licence') { 'there is no such check' }
                    Get-ChildItem $root/bench | ForEach-Object { "$_ is left on the bench" }
                }
                if ($code -match 'Get-NataliaRestoreTest(?![^\n]*Export-)') {
                    $shown = $printed | Out-String -Width 200
                    'Passed', $(if ($code -match 'Checks') { 'Boot' } else { 'natalia-paris' }) |
                        Where-Object { $shown -notmatch $_ } | ForEach-Object { "it does not show $_" }
                }
                if ($code -match '(?m)Connect-NataliaHypervisor' -and -not (Get-NataliaHypervisor bench)) { 'the bench is not connected' }
                if ($code -match '-BusinessCalendar' -and -not (Get-NataliaAppliance natalia-paris).RestoreTest.BusinessCalendar) { 'the calendar is not set' }
                if ($code -match 'test\.html' -and -not (Test-Path ./test.json.p7s)) { 'the report is not signed' }
                """, example.Code, _root, tests, begun, result.Output).ThrowIfFailed().Text.Select(t => t.Trim())];
            return string.Join("; ", [.. result.ErrorIds, .. result.Errors.Select(e => $"{e}"), .. proof,
                .. Started(example)]);
        }
        finally
        {
            QemuProcesses.EndOf(_root);
            foreach (string place in (string[])["bench", "lab"])
            {
                foreach (string left in Directory.EnumerateDirectories(In(place))) Directory.Delete(left, true);
            }
        }

        bool Has(string words) => example.Code.Contains(words, StringComparison.Ordinal);
    }

    /// <summary>What is wrong with the VM that an example leaves running.</summary>
    private IEnumerable<string> Started(Example example)
    {
        if (!example.Code.Contains("Restore-NataliaAppliance", StringComparison.Ordinal)) yield break;
        int running = QemuProcesses.CountOf(_root);
        if (running != 1) yield return $"{running} VMs run";
        List<string> started = [.. Directory.EnumerateFiles(_root, "vm.pid", SearchOption.AllDirectories)];
        if (started.Count != 1) yield return $"{started.Count} VMs were started";
        foreach (string file in started)
        {
            string data = Path.Combine(Path.GetDirectoryName(file)!, "scsi1.raw");
            if (!File.ReadAllBytes(data).AsSpan().SequenceEqual(File.ReadAllBytes(In("vms/natalia-paris/data.raw"))))
                yield return "the data disk is another one";
        }
    }

    private static X509Certificate2 MakeCertificate()
    {
        using RSA key = RSA.Create(2048);
        var request = new CertificateRequest("CN=Backup audit", key, HashAlgorithmName.SHA256,
            RSASignaturePadding.Pkcs1);
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }
}
