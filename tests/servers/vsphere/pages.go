package main

import (
	"fmt"
	"html"
	"regexp"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

func init() {
	methods["RetrievePropertiesEx"] = firstPage
	methods["ContinueRetrievePropertiesEx"] = nextPage
	methods["CancelRetrievePropertiesEx"] = func(c *call) bool { return c.reply(&types.CancelRetrievePropertiesExResponse{}) }
}

var binary = regexp.MustCompile(`(?s)<byte>(-----BEGIN.*?)</byte>`)

// A server sends binary properties as one element for each byte, a signed number; this govmomi sends the bytes.
func numbers(element string) string {
	var out strings.Builder
	for _, b := range []byte(html.UnescapeString(binary.FindStringSubmatch(element)[1])) {
		fmt.Fprintf(&out, "<byte>%d</byte>", int8(b))
	}
	return out.String()
}

// Cuts the property collector's answer into pages, as servers do with long ones.
func firstPage(c *call) bool {
	answer := c.ask()
	text := binary.ReplaceAllStringFunc(answer.Body.String(), numbers)
	from := strings.Index(text, "<objects>")
	if answer.Code != 200 || c.front.pageSize == 0 || from < 0 {
		copyAnswer(c, answer)
		return true
	}
	to := strings.LastIndex(text, "</objects>") + len("</objects>")
	var objects []string
	for _, o := range strings.SplitAfter(text[from:to], "</objects>") {
		if o != "" {
			objects = append(objects, o)
		}
	}
	c.sendPage(objects)
	return true
}

func nextPage(c *call) bool {
	token := c.method.Body.(*types.ContinueRetrievePropertiesEx).Token
	c.front.mutex.Lock()
	objects, ok := c.front.pages[token]
	delete(c.front.pages, token)
	c.front.mutex.Unlock()
	if !ok {
		return c.fault("InvalidProperty", "The token is not known.")
	}
	c.sendPage(objects)
	return true
}

func (c *call) sendPage(objects []string) {
	token := ""
	if len(objects) > c.front.pageSize {
		c.front.mutex.Lock()
		c.front.tokens++
		name := fmt.Sprintf("%d", c.front.tokens)
		c.front.pages[name] = objects[c.front.pageSize:]
		c.front.mutex.Unlock()
		token = "<token>" + name + "</token>"
		objects = objects[:c.front.pageSize]
	}
	c.w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	fmt.Fprintf(c.w, `%s<%sResponse xmlns="urn:vim25"><returnval>%s%s</returnval></%sResponse>%s`,
		head, c.method.Name, token, strings.Join(objects, ""), c.method.Name, tail)
}
