using System.Text;
using System.Xml;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Client;

public sealed class VimEnvelopeTests
{
    [Theory]
    [InlineData("<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>")]
    [InlineData("<x>")]
    [InlineData("no XML at all")]
    [InlineData("")]
    [InlineData("<Envelope/>")]
    public void What_is_no_envelope_is_refused(string text) =>
        Assert.ThrowsAny<XmlException>(() => VimEnvelope.Read(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Depth_is_bounded()
    {
        string deep = string.Concat(Enumerable.Repeat("<a>", 100_000)) + string.Concat(Enumerable.Repeat("</a>",
            100_000));
        Assert.ThrowsAny<XmlException>(() => VimEnvelope.ReadDocument(Encoding.UTF8.GetBytes(deep)));
    }

    [Fact]
    public async Task Length_is_bounded()
    {
        using var content = new ByteArrayContent(new byte[2 << 20]);
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            VimEnvelope.ReadBoundedAsync(content, "host", 1 << 20, default));
        Assert.Equal(ErrorIds.ServerAnswerInvalid, e.ErrorId);
    }

    [Fact]
    public void What_is_written_is_what_the_schema_says()
    {
        byte[] bytes = VimEnvelope.Write(new VimReference("VirtualMachine", "vm-1"), "M",
            [VimXml.Element("name", "a<b&c"), null, VimXml.Element("memory", false), VimXml.Element("size", 5L)]);
        XElement method = VimEnvelope.Read(bytes);
        Assert.Equal(VimXml.Vim + "M", method.Name);
        Assert.Equal(["_this", "name", "memory", "size"], method.Elements().Select(e => e.Name.LocalName));
        Assert.Equal(["vm-1", "a<b&c", "false", "5"], method.Elements().Select(e => e.Value));
    }
}
