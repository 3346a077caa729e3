using Microsoft.Management.Infrastructure;
using Natalia.Backup.Engine;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Windows;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

public sealed class CimTextTests
{
    private const string Virtualization = "root/virtualization/v2";

    [Fact]
    public void A_path_with_backslashes_and_quotes_survives_its_text()
    {
        var path = new CimPath(Virtualization, "Msvm_ResourceAllocationSettingData",
            [new("InstanceID", @"Microsoft:A\B\0""x"), new("Number", 7L)]);
        string text = path.ToText("HV1");
        Assert.Equal(@"\\HV1\root\virtualization\v2:Msvm_ResourceAllocationSettingData.InstanceID="
            + @"""Microsoft:A\\B\\0\""x"",Number=7", text);
        CimPath read = CimPath.TryParse(text, "other")!;
        Assert.Equal(path, read);
        Assert.Equal(("HV1", @"Microsoft:A\B\0""x"), (read.Server, read["InstanceID"]));
        Assert.Equal(path, CimPath.TryParse(path.ToText(null), Virtualization));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData(@"\\HV1")]
    [InlineData(@"C:\ClusterStorage\x.vhdx")]
    [InlineData("Class.Key=\"open")]
    [InlineData("Class.Key=x")]
    [InlineData("Class.")]
    [InlineData("Class.Key=\"a\"b")]
    public void What_is_no_path_is_none(string text) => Assert.Null(CimPath.TryParse(text, Virtualization));

    [Fact]
    public void A_literal_of_wql_escapes_what_would_end_it() =>
        Assert.Equal(@"SELECT * FROM C WHERE InstanceID = 'Microsoft:A\\B\'s'",
            Wql.Where("C", "InstanceID", @"Microsoft:A\B's"));

    [Theory]
    [InlineData("20261129203001.250000+000", "2026-11-29T20:30:01.25Z")]
    [InlineData("20261129203001.000000+060", "2026-11-29T19:30:01Z")]
    [InlineData("20261129203001.000000-300", "2026-11-30T01:30:01Z")]
    public void A_time_is_read_with_its_offset(string text, string utc) =>
        Assert.Equal(DateTime.Parse(utc).ToUniversalTime(), CimTime.TryParse(text));

    [Fact]
    public void Times_and_intervals_survive_their_text_and_rubbish_is_none()
    {
        var time = new DateTime(2026, 2, 3, 4, 5, 6, DateTimeKind.Utc);
        Assert.Equal(time, CimTime.TryParse(CimTime.ToText(time)));
        TimeSpan interval = TimeSpan.FromDays(3) + TimeSpan.FromMilliseconds(1500);
        Assert.Equal(interval, CimTime.TryParse(CimTime.ToText(interval)));
        foreach (string bad in new[] { "", "20261399203001.250000+000", "2026112920300125000000000", "x" })
            Assert.Null(CimTime.TryParse(bad));
        Assert.Null(CimTime.TryParse("00010101000000.000000+999"));
    }

    [Fact]
    public void An_object_survives_its_text_with_types_and_only_what_is_set_is_written()
    {
        string text = new EmbeddedInstance("Msvm_X").Set("Text", "a<b>&\"c\" \u0001\U0001F600").Set("No", null)
            .Set("Yes", true).Set("Byte", (byte)2).Set("Word", (ushort)4096).Set("Long", ulong.MaxValue)
            .Set("Many", new[] { "x", "" }).Set("Words", new ushort[] { 1, 2 })
            .Set("When", new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc)).ToText();
        Assert.DoesNotContain("\"No\"", text, StringComparison.Ordinal);
        Assert.Contains("<PROPERTY NAME=\"Yes\" TYPE=\"boolean\"><VALUE>TRUE</VALUE></PROPERTY>", text,
            StringComparison.Ordinal);
        CimRow row = EmbeddedInstance.Read(text);
        Assert.Equal("Msvm_X", row.ClassName);
        Assert.Equal("a<b>&\"c\" \uFFFD\U0001F600", row.Text("Text"));
        Assert.Equal(((byte)2, (ushort)4096, ulong.MaxValue), (row["Byte"], row["Word"], row["Long"]));
        Assert.Equal(["x", ""], row.Texts("Many"));
        Assert.Equal([1, 2], row.Numbers("Words"));
        Assert.Equal(new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc), row.Time("When"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("<A/>")]
    [InlineData("<INSTANCE/>")]
    [InlineData("<INSTANCE CLASSNAME='X'><PROPERTY NAME='A' TYPE='uint8'><VALUE>999</VALUE></PROPERTY></INSTANCE>")]
    [InlineData("<!DOCTYPE a [<!ENTITY b 'c'>]><INSTANCE CLASSNAME='X'/>")]
    public void Text_that_is_no_object_is_told(string text) =>
        Assert.Throws<FormatException>(() => EmbeddedInstance.Read(text));

    /// <summary>The table of the product, held against what the documentation of each method lists.</summary>
    [Fact]
    public void Every_code_of_every_method_means_what_its_documentation_says()
    {
        string[] called = [.. s_called];
        foreach (string name in called)
        {
            string className = SimContract.ClassNames.First(c => SimContract.MethodsOf(c).Contains(name));
            foreach ((long code, string means) in SimContract.CodesOf(className, name))
            {
                if (code is 0 or 4096) continue;
                string ours = ReturnCodes.Describe(className, name, code);
                // Two spellings of one sentence.
                Assert.Equal(means.ToUpperInvariant().Replace("IN USED", "IN USE"), ours.ToUpperInvariant());
            }
            Assert.Equal("unknown code 77", ReturnCodes.Describe(className, name, 77));
        }
    }

    private static readonly string[] s_called =
    [
        "CreateSnapshot", "DestroySnapshot", "ConvertToReferencePoint", "DestroyReferencePoint",
        "GetVirtualDiskChanges", "GetVirtualHardDiskSettingData", "ModifySystemSettings", "DefineSystem",
        "DestroySystem", "AddResourceSettings", "ModifyResourceSettings", "AddFeatureSettings",
        "ModifyDiskMergeSettings", "InitiateShutdown", "CreateReplicationRelationship", "StartReplication",
        "GetReplicationStatistics", "RemoveReplicationRelationship",
    ];

    [Theory]
    [InlineData(32769, ErrorIds.PermissionDenied)]
    [InlineData(5, ErrorIds.ApplianceLocked)]
    [InlineData(3, ErrorIds.TaskNotFinished)]
    [InlineData(2, ErrorIds.ServerRefused)]
    [InlineData(77, ErrorIds.ServerRefused)]
    public void A_refusal_has_an_id_by_what_it_means(long code, string id)
    {
        NataliaException error = HyperVErrors.Refused("hv1", "Msvm_VirtualSystemSnapshotService", "CreateSnapshot",
            code);
        Assert.Equal(id, error.ErrorId);
        Assert.Contains($"(code {code})", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_kind_of_argument_has_a_type_of_windows()
    {
        foreach (CimKind kind in Enum.GetValues<CimKind>())
        {
            Assert.Equal(kind.ToString(), MmiMaps.TypeOf(kind, false).ToString());
            Assert.Equal(kind + "Array", MmiMaps.TypeOf(kind, true).ToString());
        }
    }

    [Theory]
    [InlineData(NativeErrorCode.AccessDenied, null, 1)]
    [InlineData(NativeErrorCode.NotFound, null, 2)]
    [InlineData(NativeErrorCode.InvalidNamespace, null, 3)]
    [InlineData(NativeErrorCode.Failed, "HRESULT 0x80338012", 4)]
    [InlineData(NativeErrorCode.Failed, "HRESULT 0x800706ba", 4)]
    [InlineData(NativeErrorCode.Failed, "HRESULT 0x80338048", 5)]
    [InlineData(NativeErrorCode.Failed, "HRESULT 0x80070005", 1)]
    [InlineData(NativeErrorCode.Failed, null, 0)]
    public void A_fault_of_windows_is_told_by_its_code(NativeErrorCode code, string? id, int fault) =>
        Assert.Equal((CimFault)fault, MmiMaps.FaultOf(code, id));

    [Theory]
    [InlineData(@"D:\VMs\a.vhdx", false, @"\\hv1\D$\VMs\a.vhdx")]
    [InlineData(@"C:\ClusterStorage\Volume1\a.vhdx", false, @"\\hv1\C$\ClusterStorage\Volume1\a.vhdx")]
    [InlineData(@"\\nas\vms\a.vhdx", false, @"\\nas\vms\a.vhdx")]
    [InlineData(@"\\?\D:\a.vhdx", true, @"D:\a.vhdx")]
    [InlineData(@"\\?\UNC\nas\vms\a.vhdx", false, @"\\nas\vms\a.vhdx")]
    public void A_file_of_the_host_is_found_from_here(string hostPath, bool isHere, string local) =>
        Assert.Equal(local, new HostFiles("hv1", isHere).ToLocal(hostPath));

    [Fact]
    public void A_file_on_no_drive_is_refused() => Assert.Equal(ErrorIds.PathNotSupported,
        Assert.Throws<NataliaException>(() => new HostFiles("hv1", false).ToLocal("disk.vhdx")).ErrorId);
}
