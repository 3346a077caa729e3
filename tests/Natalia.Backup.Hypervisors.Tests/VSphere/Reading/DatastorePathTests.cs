using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.VSphere.Reading;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Reading;

public sealed class DatastorePathTests
{
    private static readonly Uri s_server = new("https://vc.example.com:8443/");

    [Theory]
    [InlineData("[ds1] vm/vm.vmdk", "DC0", "/folder/vm/vm-flat.vmdk?dcPath=DC0&dsName=ds1")]
    [InlineData("[ds1] vm/vm.vmdk", null, "/folder/vm/vm-flat.vmdk?dsName=ds1")]
    [InlineData("[a store [2]] my vm/d#1%.vmdk", "a b/DC&1",
        "/folder/my%20vm/d%231%25-flat.vmdk?dcPath=a%20b%2FDC%261&dsName=a%20store%20%5B2%5D")]
    public void A_descriptor_leads_to_the_address_of_its_bytes(string text, string? datacenter, string address)
    {
        DatastorePath path = DatastorePath.Parse(text);

        Assert.Equal(text, path.ToString());
        Assert.Equal("https://vc.example.com:8443" + address,
            path.FlatFile()!.AddressAt(s_server, datacenter).AbsoluteUri);
    }

    [Theory]
    [InlineData("")]
    [InlineData("vm/vm.vmdk")]
    [InlineData("[] vm/vm.vmdk")]
    [InlineData("[ds1]")]
    [InlineData("[ds1] ../other/vm.vmdk")]
    [InlineData("[ds1] vm/..\\other.vmdk")]
    public void What_is_no_path_of_a_datastore_is_refused(string text)
    {
        Assert.Equal(ErrorIds.ServerAnswerInvalid,
            Assert.Throws<NataliaException>(() => DatastorePath.Parse(text)).ErrorId);
        Assert.Null(DatastorePath.TryParse(text));
    }
}
